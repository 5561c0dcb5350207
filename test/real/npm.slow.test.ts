import { expect } from "bun:test";
import { onMemfs, withScratch } from "./support.ts";

onMemfs(
  "npm installs packages of many files, and they run",
  { programs: ["npm", "node"], options: "size=1g", seconds: 180 },
  (place) =>
    withScratch(async (scratch) => {
      const npm = `npm install --no-audit --no-fund --ignore-scripts --cache ${scratch.path}/cache`;
      const install = (offline: string) => `mkdir project && cd project && echo '{}' >package.json
        ${npm} ${offline} lodash@4.17.21 typescript@5.4.5`;
      // To the disk first: what fails here is the way to the registry.
      const fetched = await scratch.run(["sh", "-euc", install("")], { timeout: 90 });
      if (fetched.status !== 0) {
        if (process.env.CI === "true") throw new Error(fetched.stderr);
        console.warn("skipped: npm does not reach its registry");
        return;
      }

      await place.sh(install("--offline"), { timeout: 90 });
      const files = Number(await place.sh("find project/node_modules -type f | wc -l"));
      expect(files).toBeGreaterThan(1000);
      const theirs = `${scratch.path}/project/node_modules`;
      await place.sh(`diff --recursive ${theirs} project/node_modules`, { timeout: 60 });

      const run = `const { chunk } = require("lodash"); console.log(chunk([1, 2, 3], 2).length)`;
      expect(await place.sh(`cd project && node -e '${run}'`)).toBe("2\n");
      await place.sh("cd project && echo 'export const n: number = 1' >n.ts");
      await place.sh("cd project && node_modules/.bin/tsc n.ts", { timeout: 60 });
      expect(await place.sh("cat project/n.js")).toContain("exports.n = 1");
    }),
);
