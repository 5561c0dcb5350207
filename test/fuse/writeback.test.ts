import { expect, test } from "bun:test";
import { memory } from "../puffs/rig.ts";
import { errorOf, viewOf, Wire } from "../support/wire.ts";

/*
 * Who keeps the times of files that are written back: with WRITEBACK_CACHE Linux does, and brings them by SETATTR, but only then.
 */

const [GETATTR, SETATTR, MKNOD, WRITE] = [3, 4, 8, 16];
const MTIME_AND_CTIME = (1 << 5) | (1 << 10);
/** write_in.write_flags: out of the page cache. */
const CACHE = 1;

/** The mtime and ctime of a file after they were set to long ago, and then a WRITE with these flags. */
async function after(writeback: boolean, writeFlags: number): Promise<bigint[]> {
  const wire = new Wire(await memory(["mode=777"]), { writeback });
  wire.init();
  const made = await wire.ask(MKNOD, 1, 0o100644, 0, 0, 0, "f\0");
  expect(errorOf(made)).toBe(0);
  const node = Number(viewOf(made).getBigUint64(16, true));
  const set = [MTIME_AND_CTIME, 0, 0n, 0n, 0n, 0n, 1000n, 1000n, 0, 0, 0, 0, 0, 0, 0, 0];
  expect(errorOf(await wire.ask(SETATTR, node, ...set))).toBe(0);
  expect(errorOf(await wire.ask(WRITE, node, 0n, 0n, 4, writeFlags, 0n, 2, 0, "late"))).toBe(0);
  const told = viewOf(await wire.ask(GETATTR, node, 0, 0, 0n));
  expect(told.getBigUint64(40, true)).toBe(4n);
  return [told.getBigUint64(64, true), told.getBigUint64(72, true)];
}

test("what Linux writes back late leaves the times as it brought them", async () => {
  expect(await after(true, CACHE)).toEqual([1000n, 1000n]);
});

test.each([
  ["a write that is not out of the cache", true, 0],
  ["a page of a mapping, where the cache is written through", false, CACHE],
])("%s is a change of now", async (_, writeback, flags) => {
  for (const time of await after(writeback, flags)) expect(time).toBeGreaterThan(1000n);
});
