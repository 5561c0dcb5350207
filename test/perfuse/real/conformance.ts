import { spawn } from "node:child_process";
import { chmodSync } from "node:fs";
import type { Started } from "../../conformance.ts";
import { isMounted, until } from "../../support/mounted.ts";
import { posixClient } from "../../support/posix-client.ts";
import { run } from "../../support/program.ts";
import { example, unlimited } from "./examples.ts";
import { folder, hosted, scratch } from "./support.ts";

/** passthrough_ll over a tmpfs of its own. */
async function below() {
  const on = scratch();
  const tmpfs = folder(on.at("tmpfs"));
  await on.sh(`mount -t tmpfs -o size=256m,mode=755 none "$1"`, tmpfs);
  const program = await example("passthrough_ll", on.at("passthrough_ll"));
  const close = async () => {
    await run(["umount", "--lazy", tmpfs]);
    await on[Symbol.asyncDispose]();
  };
  const options = `source=${tmpfs},xattr,timeout=0`;
  return {
    on,
    close,
    command: (...more: string[]) => unlimited(program, "-f", "-o", [options, ...more].join(",")),
  };
}

/** Behind perfuse, with more of its options. */
export async function behindPerfuse(...options: string[]): Promise<Started> {
  const { command, close } = await below();
  const mount = await hosted([...command(), "{}"], {
    options: ["allow_other", ...options].join(","),
  });
  return { client: mount.client, close: () => mount.close().finally(close) };
}

/** Mounted by itself, with the same promises to the kernel. */
export async function byItself(): Promise<Started> {
  const { on, command, close } = await below();
  const directory = folder(on.at("mnt"));
  chmodSync(on.path, 0o755);
  const [program = "", ...args] = [...command("allow_other", "default_permissions"), directory];
  const server = spawn(program, args, { stdio: "ignore" });
  await until(() => isMounted(directory), "the mount");
  const client = posixClient(directory);
  return {
    client,
    async close() {
      await client.close();
      await run(["umount", "--lazy", directory]);
      await until(() => server.exitCode !== null || server.signalCode !== null, "its end");
      await close();
    },
  };
}
