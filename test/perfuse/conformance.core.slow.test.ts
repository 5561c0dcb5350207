import memfs from "../../plugins/memfs/memfs.ts";
import { conformance, EVERYTHING_BUT_THE_KERNEL } from "../conformance.ts";
import { onCore } from "../support/core.ts";
import { hosted } from "./support.ts";

conformance("memfs behind a daemon of 7.45, on the core", {
  features: EVERYTHING_BUT_THE_KERNEL,
  start: () => onCore(hosted(memfs, ["size=256m"], { minor: 45 })),
});
