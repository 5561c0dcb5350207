import { conformance } from "../../conformance.ts";
import { EXCEPTED_ON_PUFFS, FEATURES_ON_PUFFS, onPuffs } from "../../support/puffs.ts";
import { FEATURES, onBelow } from "./below.ts";

conformance("passthrough on puffs", {
  features: FEATURES_ON_PUFFS.filter((feature) => FEATURES.includes(feature)),
  except: EXCEPTED_ON_PUFFS,
  start: () => onBelow(onPuffs),
});
