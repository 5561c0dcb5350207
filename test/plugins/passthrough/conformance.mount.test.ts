import { fileURLToPath } from "node:url";
import { conformance } from "../../conformance.ts";
import { mounted, mounting } from "../../support/mounted.ts";
import { below, FEATURES } from "./below.ts";

const PLUGIN = fileURLToPath(new URL("../../../plugins/passthrough.ts", import.meta.url));

mounting("passthrough on a mount", () => {
  conformance("passthrough on a mount", {
    features: FEATURES,
    async start() {
      const { directory, remove } = below();
      const { client, close } = await mounted(PLUGIN, { special: directory });
      return { client, close: () => close().finally(remove) };
    },
  });
});
