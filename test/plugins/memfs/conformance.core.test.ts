import memfs from "../../../plugins/memfs/memfs.ts";
import { conformance, EVERYTHING_BUT_THE_KERNEL } from "../../conformance.ts";
import { onCore } from "../../support/core.ts";

conformance("memfs on the core", {
  features: EVERYTHING_BUT_THE_KERNEL,
  start: () => onCore(memfs, ["size=256m"]),
});
