import { afterAll, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../bench/client.ts";
import { end } from "../../bench/machine.ts";
import { socketRows } from "../../bench/socket.ts";
import { closeDescriptor } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";

const directory = mkdtempSync(join(tmpdir(), "bench-socket-"));
const program = join(directory, "socket");
const path = join(directory, "frame");
afterAll(() => rmSync(directory, { recursive: true }));

test("a frame is asked as often as it is to be, and answered by as many bytes", async () => {
  const source = join(import.meta.dir, "../../bench/socket.c");
  expect(spawnSync("cc", ["-o", program, source]).stderr.toString()).toBe("");
  const frame = new Uint8Array(168);
  new DataView(frame.buffer).setUint32(0, frame.length, true);
  writeFileSync(path, frame);
  for (const [reply, expected] of [
    [65704, 65704],
    [56, 57],
  ] as const) {
    const [near, far] = socketPair("stream");
    const answerer: ChildProcess = spawn(program, ["answer", "3", String(reply)], {
      stdio: ["ignore", "ignore", "inherit", far],
    });
    const client = new Client([program, "ask", "3", "500", path, String(expected)], near);
    closeDescriptor(near);
    closeDescriptor(far);
    try {
      await client.ready;
      client.go();
      if (reply !== expected) {
        expect(client.times).rejects.toThrow("failed");
        await client.times.catch(() => {});
      } else {
        const [start, finish, operations] = await client.times;
        expect(operations).toBe(500);
        expect(finish).toBeGreaterThan(start);
      }
    } finally {
      await client.kill();
      await end(answerer);
    }
  }
}, 30_000);

test("rows are chosen by their names", () => {
  expect(socketRows(() => true)).toEqual(["getattr", "64 KiB read"]);
  expect(socketRows((name) => /puffs.*read/.test(name))).toEqual(["64 KiB read"]);
});
