import memfs from "../../plugins/memfs/memfs.ts";
import { conformance } from "../conformance.ts";
import { EXCEPTED_ON_PUFFS, FEATURES_ON_PUFFS, onPuffs } from "../support/puffs.ts";
import { PuffsClient } from "../support/puffs-client.ts";
import { featuresAt, hosted } from "./support.ts";

conformance("memfs behind a daemon of 7.13, on puffs", {
  features: featuresAt(13, FEATURES_ON_PUFFS),
  except: EXCEPTED_ON_PUFFS,
  async start() {
    const { client, close } = await onPuffs(hosted(memfs, ["size=256m"]));
    return { client: new PuffsClient(client.kernel, undefined, undefined, true), close };
  },
});
