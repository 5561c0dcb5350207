import { afterAll, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkRight } from "../../src/perfuse/owner.ts";

const directory = mkdtempSync(join(tmpdir(), "owner-"));
afterAll(() => rmSync(directory, { recursive: true }));

const ME = { pid: 1, uid: process.geteuid?.() ?? 0, gid: 0 };
const SOMEBODY = { pid: 1, uid: 12345, gid: 12345 };

let count = 0;

/** A directory of SOMEBODY's, or where only root can give things away, of another who is not. */
function place(mode: number): string {
  const path = join(directory, String(count++));
  mkdirSync(path);
  if (ME.uid === 0) chownSync(path, SOMEBODY.uid, SOMEBODY.gid);
  chmodSync(path, mode);
  return path;
}

const owner = ME.uid === 0 ? SOMEBODY : ME;
const stranger = { ...owner, uid: owner.uid + 1 };
const refused = expect.objectContaining({ exitCode: 77 });

test("root may anywhere, even where nothing is", async () => {
  await checkRight({ pid: 1, uid: 0, gid: 0 }, "/nowhere", false);
});

for (const [mode, readOnly, allowed] of [
  [0o755, false, true],
  [0o600, false, true],
  [0o500, false, false],
  [0o500, true, true],
  [0o200, true, false],
  [0o077, false, false],
] as const)
  test(`its owner, mode ${mode.toString(8)}, ${readOnly ? "read-only" : "read-write"}`, async () => {
    const asked = checkRight(owner, place(mode), readOnly);
    if (allowed) await asked;
    else await expect(asked).rejects.toEqual(refused);
  });

test("a stranger may not, whatever the mode", async () => {
  await expect(checkRight(stranger, place(0o777), true)).rejects.toThrow(`user ${owner.uid}'s`);
});

test("what is not there, or has a line's end in its name", async () => {
  await expect(checkRight(stranger, "/nowhere", false)).rejects.toEqual(refused);
  await expect(checkRight(stranger, "/no\nwhere", false)).rejects.toThrow('"/no\\nwhere"');
});
