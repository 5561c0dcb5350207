import { conformance } from "../../conformance.ts";
import { onCore } from "../../support/core.ts";
import { FEATURES, onBelow } from "./below.ts";

conformance("passthrough on the core", {
  features: FEATURES.filter((feature) => feature !== "kernel"),
  start: () => onBelow(onCore),
});
