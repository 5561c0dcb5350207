import { conformance } from "../conformance.ts";
import { mounted, mounting } from "../support/mounted.ts";

mounting("null on a mount", () => {
  conformance("null on a mount", { features: [], start: () => mounted("null") });
});
