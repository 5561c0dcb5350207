import { conformance } from "../conformance.ts";
import { mounted, mounting } from "../support/mounted.ts";

mounting("hello on a mount", () => {
  conformance("hello on a mount", { features: [], start: () => mounted("hello") });
});
