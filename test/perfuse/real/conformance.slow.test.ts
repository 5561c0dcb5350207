import { conformance, EVERYTHING } from "../../conformance.ts";
import { behindPerfuse, byItself } from "./conformance.ts";
import { withExamples } from "./examples.ts";

/*
 * What the conformance kit says of passthrough_ll behind perfuse, beside the same daemon mounted by itself. What is left out is
 * what libfuse's example does not do in either place, and then what perfuse changes.
 */

/** It answers ENOSYS to FALLOCATE and TMPFILE, EINVAL to exchanges. */
const LACKS = ["exchange", "tmpfile", "allocate"];

const OWN = {
  "it refuses all flags of rename(2)": [
    "rename > a FIFO onto nothing elsewhere with NOREPLACE",
    "rename > a FIFO onto nothing with NOREPLACE",
    "rename > a empty directory onto nothing elsewhere with NOREPLACE",
    "rename > a empty directory onto nothing with NOREPLACE",
    "rename > a file onto nothing elsewhere with NOREPLACE",
    "rename > a file onto nothing with NOREPLACE",
    "rename > a full directory onto nothing elsewhere with NOREPLACE",
    "rename > a full directory onto nothing with NOREPLACE",
    "rename > a symbolic link onto nothing elsewhere with NOREPLACE",
    "rename > a symbolic link onto nothing with NOREPLACE",
  ],
  "it acts as root, so that what is made belongs to root, and root's writes leave set-id bits": [
    "access > link in a directory that may not be written: EACCES",
    "chmod > by the owner",
    "chmod > permissions at once hold for all",
    "chmod > what is open stays open",
    "chown > not even to who has them by anyone else: EPERM",
    "chown > the owner may give a file to a group of his",
    "chown > what is made belongs to who makes it",
    "set-id bits > ftruncate by an ordinary user takes them from 2777",
    "set-id bits > ftruncate by an ordinary user takes them from 4777",
    "set-id bits > ftruncate by an ordinary user takes them from 6777",
    "set-id bits > in a set-group-id directory all get its group",
    "set-id bits > open with O_TRUNC by an ordinary user takes them from 2777",
    "set-id bits > open with O_TRUNC by an ordinary user takes them from 4777",
    "set-id bits > open with O_TRUNC by an ordinary user takes them from 6777",
    "set-id bits > reading leaves them",
    "set-id bits > truncate by an ordinary user takes them from 2777",
    "set-id bits > truncate by an ordinary user takes them from 4777",
    "set-id bits > truncate by an ordinary user takes them from 6777",
    "set-id bits > write by an ordinary user takes them from 2777",
    "set-id bits > write by an ordinary user takes them from 4777",
    "set-id bits > write by an ordinary user takes them from 6777",
    "special files > ordinary users make FIFOs and sockets, but no devices: EPERM",
    "symbolic links > belong to who made them",
    "utimensat, who may > the owner sets what he likes",
  ],
};

const CHANGED = {
  "7.13, which is offered to libfuse 3 so that its replies come whole, has no LSEEK": [
    "SEEK_DATA and SEEK_HOLE > a file that is all hole has no data",
    "SEEK_DATA and SEEK_HOLE > a hole between data is found",
  ],
};

const features = EVERYTHING.filter((feature) => !LACKS.includes(feature));

withExamples("passthrough_ll's conformance", () => {
  conformance("passthrough_ll behind perfuse", {
    features,
    except: { ...OWN, ...CHANGED },
    start: () => behindPerfuse(),
  });
  conformance("passthrough_ll behind perfuse at 7.31", {
    features: features.filter((feature) => feature !== "owners"),
    except: OWN,
    start: () => behindPerfuse("minor=31"),
  });
  conformance("passthrough_ll mounted by itself", { features, except: OWN, start: byItself });
});
