import memfs from "../../plugins/memfs/memfs.ts";
import { conformance, EVERYTHING_BUT_THE_KERNEL } from "../conformance.ts";
import { onCore } from "../support/core.ts";
import { EXCEPTED_BEFORE, featuresAt, hosted } from "./support.ts";

for (const minor of [13, 45])
  conformance(`memfs behind a daemon of 7.${minor}, on the core`, {
    features: featuresAt(minor, EVERYTHING_BUT_THE_KERNEL),
    except: minor < 23 ? EXCEPTED_BEFORE[23] : {},
    start: () => onCore(hosted(memfs, ["size=256m"], { minor })),
  });
