import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { closeDescriptor, setNonBlocking } from "../../../ffi/device.ts";
import { socketPair } from "../../../ffi/socket.ts";
import { acceptKargs } from "../../../src/puffs/mounted.ts";
import { handshakeOf, playKernel } from "../../support/kernel-end.ts";
import { PROGRAM } from "../../support/program.ts";
import { PuffsClient } from "../../support/puffs-client.ts";
import { example, withExamples } from "./examples.ts";
import { folder, nobodyLeft, scratch } from "./support.ts";

withExamples("passthrough_ll, over puffs", () => {
  test("a Linux daemon is served to NetBSD's kernel", async () => {
    await using on = scratch();
    folder(on.at("below"));
    writeFileSync(on.at("below/file"), "hello\n");
    const program = await example("passthrough_ll", on.at("passthrough_ll"));
    const [end, theirs] = socketPair("stream");
    const command = [program, "-f", "-o", `source=${on.at("below")}`, "{}"];
    const child = spawn(
      PROGRAM[0],
      [PROGRAM[1], "mount", "perfuse", "somewhere", "--", ...command],
      {
        stdio: ["ignore", "ignore", "pipe", theirs],
        env: { ...process.env, PUFFS_COMFD: "3" },
      },
    );
    closeDescriptor(theirs);
    setNonBlocking(end);
    try {
      const mount = acceptKargs((await handshakeOf(end)).kargs);
      const { kernel, over } = playKernel(end, mount);
      const client = new PuffsClient(kernel, undefined, undefined, true);
      const file = await client.open("/file", 0, 0);
      expect(Buffer.from(await file.read(100, 0)).toString()).toBe("hello\n");
      await file.close();
      await client.mkdir("/d", 0o755);
      const names = (await client.readdir("/")).map(({ name }) => name);
      expect(names.filter((name) => !name.startsWith(".")).sort()).toEqual(["d", "file"]);
      await kernel.detach();
      await over;
      const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
      expect(code).toBe(0);
    } finally {
      child.kill("SIGKILL");
      closeDescriptor(end);
    }
    await nobodyLeft(on.path);
  }, 60_000);
});
