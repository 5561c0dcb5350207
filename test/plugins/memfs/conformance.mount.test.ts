import { conformance, EVERYTHING } from "../../conformance.ts";
import { mounted, mounting } from "../../support/mounted.ts";

mounting("memfs on a mount", () => {
  conformance("memfs on a mount", {
    features: EVERYTHING,
    start: () => mounted("memfs", { options: "allow_other,size=256m" }),
  });
});
