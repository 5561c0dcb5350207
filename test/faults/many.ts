/*
 * Mounts and unmounts in a row, all in this process: `bun many.ts DIRECTORY TIMES`. After each hundred it prints a line of JSON:
 * how many descriptors and threads it has, and its memory. The unmounting is done by umount(8); every twentieth time
 * the program's own way.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import plugin from "../../plugins/hello.ts";
import { mount } from "../../src/mount.ts";
import { parseOptions } from "../../src/options/parse.ts";

/** What a process has, in numbers. Memory in KiB. */
export interface Holding {
  readonly mounts: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly resident: number;
  readonly virtual: number;
}

if (import.meta.main) await main(process.argv[2] as string, Number(process.argv[3]));

async function main(directory: string, times: number): Promise<void> {
  const log = { info: () => {}, warn: console.error, error: console.error };
  const options = parseOptions([], plugin.options ?? {}, {});
  for (let mounts = 1; mounts <= times; mounts++) {
    const live = await mount({ plugin, directory, options, log });
    await stat(`${directory}/hello`);
    if (mounts % 20 === 0) await live.unmount();
    else await umount(directory);
    const { reason } = await live.ended;
    if (reason !== "unmounted") throw new Error(reason);
    if (mounts % 100 === 0) console.log(JSON.stringify(await holding(mounts)));
  }
}

/** Whoever looks at all mounts of the machine may have it open for a moment. */
async function umount(directory: string): Promise<void> {
  for (;;) {
    const [code] = await once(spawn("umount", [directory], { stdio: "ignore" }), "exit");
    if (code === 0) return;
    await Bun.sleep(10);
  }
}

/** Threads end in their own time: what is there when it does not become less any more. */
async function holding(mounts: number): Promise<Holding> {
  const threads = () => readdirSync("/proc/self/task").length;
  for (let before = Number.POSITIVE_INFINITY; threads() < before; await Bun.sleep(100))
    before = threads();
  Bun.gc(true);
  const status = readFileSync("/proc/self/status", "utf8");
  const kibibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    mounts,
    descriptors: readdirSync("/proc/self/fd").length,
    threads: threads(),
    resident: kibibytes("VmRSS"),
    virtual: kibibytes("VmSize"),
  };
}
