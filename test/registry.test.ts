import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, listMounts, register } from "../src/registry.ts";
import { until } from "./support/mounted.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "puffs-registry-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a mount is listed until it is removed, with the requests served so far", async () => {
  let served = 5;
  const before = Date.now();
  const entry = register({ directory: "/mnt/a b", plugin: "memfs" }, () => served, folder);
  const [listed] = listMounts([folder]);
  expect(listed).toMatchObject({ directory: "/mnt/a b", plugin: "memfs", served: 5 });
  expect(listed?.pid).toBe(process.pid);
  expect(listed?.since).toBeGreaterThanOrEqual(before);
  served = 1234;
  await until(() => listMounts([folder])[0]?.served === 1234, "the new count");
  entry.remove();
  expect(listMounts([folder])).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test("several mounts of one process are listed side by side, the oldest first", () => {
  const entries = ["a", "b"].map((plugin) =>
    register({ directory: `/mnt/${plugin}`, plugin }, () => 0, folder),
  );
  expect(
    listMounts([folder])
      .map(({ plugin }) => plugin)
      .sort(),
  ).toEqual(["a", "b"]);
  for (const entry of entries) entry.remove();
});

test("what a dead process left is dropped", async () => {
  const child = spawn("true");
  await once(child, "exit");
  const record = { directory: "/mnt", plugin: "x", pid: child.pid, started: "1", since: 1 };
  writeFileSync(join(folder, "1-0.json"), JSON.stringify(record));
  writeFileSync(join(folder, "1-0.served"), "7");
  expect(listMounts([folder])).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test("another process with the number of a dead one is not taken for it", () => {
  const record = { directory: "/mnt", plugin: "x", pid: process.pid, started: "1", since: 1 };
  expect(isAlive(record)).toBe(false);
  writeFileSync(join(folder, "2-0.json"), JSON.stringify(record));
  expect(listMounts([folder])).toEqual([]);
});

test("rubbish and a missing folder are no mounts", () => {
  writeFileSync(join(folder, "3-0.json"), "{");
  writeFileSync(join(folder, "4-0.json"), "null");
  expect(listMounts([folder, join(folder, "absent")])).toEqual([]);
});
