import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { puffsDoor } from "../../src/doors/puffs.ts";

/*
 * What puffs_mount(3) does with the path that it is given.
 */

const scratch = realpathSync(mkdtempSync(join(tmpdir(), "puffs-door-")));
mkdirSync(join(scratch, "mnt"));
symlinkSync("mnt", join(scratch, "link"));
afterEach(() => said.splice(0));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const said: string[] = [];
const log = { info() {}, warn: (line: string) => void said.push(line), error() {} };
const prepare = (path: string) => puffsDoor().prepare(path, log);

test("an absolute path is taken as it is, whatever slashes it ends with", async () => {
  const mnt = join(scratch, "mnt");
  expect(await prepare(mnt)).toBe(mnt);
  expect(await prepare(`${mnt}///`)).toBe(mnt);
  expect(await prepare("/")).toBe("/");
  expect(said).toEqual([]);
});

test("what is relative, or goes through a link, is resolved with a notice", async () => {
  const mnt = join(scratch, "mnt");
  const from = relative(process.cwd(), mnt);
  expect(await prepare(from)).toBe(mnt);
  expect(await prepare(join(scratch, "link"))).toBe(mnt);
  expect(said).toEqual([
    `${from} is a relative path; using ${mnt} instead`,
    `${scratch}/link is a relative path; using ${mnt} instead`,
  ]);
});

test("what is not there is not mounted on", async () => {
  await expect(prepare(join(scratch, "none"))).rejects.toThrow(/none/);
});
