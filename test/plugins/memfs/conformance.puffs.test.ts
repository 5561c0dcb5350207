import memfs from "../../../plugins/memfs/memfs.ts";
import { conformance } from "../../conformance.ts";
import { EXCEPTED_ON_PUFFS, FEATURES_ON_PUFFS, onPuffs } from "../../support/puffs.ts";

conformance("memfs on puffs", {
  features: FEATURES_ON_PUFFS,
  except: EXCEPTED_ON_PUFFS,
  start: () => onPuffs(memfs, ["size=256m"]),
});
