import memfs from "../../plugins/memfs/memfs.ts";
import { conformance, EVERYTHING_BUT_THE_KERNEL } from "../conformance.ts";
import { onCore } from "../support/core.ts";
import { EXCEPTED_BEFORE, featuresAt, hosted } from "./support.ts";

conformance("memfs behind a daemon of 7.13, on the core", {
  features: featuresAt(13, EVERYTHING_BUT_THE_KERNEL),
  except: EXCEPTED_BEFORE[23],
  start: () => onCore(hosted(memfs, ["size=256m"], { minor: 13 })),
});
