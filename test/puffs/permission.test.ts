import { describe, expect, test } from "bun:test";
import { S_IFDIR, S_IFREG } from "../../src/mode.ts";
import type { Attributes } from "../../src/operations.ts";
import {
  type Credentials,
  EXECUTE,
  READ,
  refuseAccess,
  refuseChanges,
  refuseRemoval,
  WRITE,
} from "../../src/puffs/permission.ts";

const TIME = { sec: 1, nsec: 2 };

function node(mode: number, uid = 10, gid = 20): Attributes {
  return { mode, nlink: 1, uid, gid, size: 0, atime: TIME, mtime: TIME, ctime: TIME };
}

function who(uid: number, ...groups: number[]): Credentials {
  return { uid, privileged: uid === 0, internal: false, inGroup: (gid) => groups.includes(gid) };
}

const ROOT = who(0);
const OWNER = who(10, 11);
const MEMBER = who(12, 11, 20);
const OTHER = who(13, 14);

describe("access", () => {
  for (const [name, mode, mask, caller, code] of [
    ["the owner by the owner's bits", 0o400, READ, OWNER, undefined],
    ["the owner by no others", 0o077, READ, OWNER, "EACCES"],
    ["a member by the group's bits", 0o040, READ, MEMBER, undefined],
    ["a member by no others", 0o707, READ, MEMBER, "EACCES"],
    ["others by theirs", 0o004, READ, OTHER, undefined],
    ["others by no more", 0o770, READ, OTHER, "EACCES"],
    ["all that is asked for", 0o600, READ | WRITE, OWNER, undefined],
    ["and not a part of it", 0o400, READ | WRITE, OWNER, "EACCES"],
    ["root reads and writes all", 0o000, READ | WRITE, ROOT, undefined],
    ["root executes what somebody may", 0o001, EXECUTE, ROOT, undefined],
    ["and nothing else", 0o666, EXECUTE, ROOT, "EACCES"],
  ] as const)
    test(name, () => {
      expect(refuseAccess(node(S_IFREG | mode), mask, caller)?.code).toBe(code);
    });

  test("the kernel itself executes what nobody may", () => {
    const kernel = { ...ROOT, internal: true };
    expect(refuseAccess(node(S_IFREG | 0o666), EXECUTE, kernel)).toBeUndefined();
  });

  test("root searches every directory", () => {
    expect(refuseAccess(node(S_IFDIR), EXECUTE, ROOT)).toBeUndefined();
  });
});

describe("removal from a sticky directory", () => {
  const sticky = node(S_IFDIR | 0o1777, 50);
  for (const [name, directory, file, caller, code] of [
    ["is the file's owner's", sticky, node(S_IFREG, 10), OWNER, undefined],
    ["is the directory's owner's", node(S_IFDIR | 0o1777, 13), node(S_IFREG), OTHER, undefined],
    ["is root's", sticky, node(S_IFREG), ROOT, undefined],
    ["is nobody else's", sticky, node(S_IFREG, 10), OTHER, "EPERM"],
    ["without the bit is anybody's", node(S_IFDIR | 0o777, 50), node(S_IFREG), OTHER, undefined],
  ] as const)
    test(name, () => {
      expect(refuseRemoval(directory, file, caller)?.code).toBe(code);
    });
});

describe("changes", () => {
  const now = { atime: TIME, mtime: TIME };
  for (const [name, mode, changes, touching, caller, code] of [
    ["the owner sets the mode", S_IFREG, { mode: 0o600 }, false, OWNER, undefined],
    ["nobody else does", S_IFREG, { mode: 0o600 }, false, MEMBER, "EPERM"],
    ["the sticky bit of a file is root's", S_IFREG, { mode: 0o1600 }, false, OWNER, "EFTYPE"],
    ["of a directory it is the owner's", S_IFDIR, { mode: 0o1700 }, false, OWNER, undefined],
    ["set-gid takes a member", S_IFREG, { mode: 0o2700 }, false, OWNER, "EPERM"],
    ["root does as he likes", S_IFREG, { mode: 0o7777, uid: 1 }, false, ROOT, undefined],
    ["the owner gives it to a group of his", S_IFREG, { gid: 11 }, false, OWNER, undefined],
    ["and to no other", S_IFREG, { gid: 30 }, false, OWNER, "EPERM"],
    ["and to no other user", S_IFREG, { uid: 12 }, false, OWNER, "EPERM"],
    ["the owner may keep both", S_IFREG, { uid: 10, gid: 20 }, false, OWNER, undefined],
    ["nobody else even that", S_IFREG, { uid: 10, gid: 20 }, false, OTHER, "EPERM"],
    ["the owner sets times", S_IFREG, now, false, OWNER, undefined],
    ["who may write touches", S_IFREG | 0o020, now, true, MEMBER, undefined],
    ["but sets no times", S_IFREG | 0o020, now, false, MEMBER, "EPERM"],
    ["who may not write does not touch", S_IFREG | 0o040, now, true, MEMBER, "EACCES"],
    ["sizes are the kernel's to permit", S_IFREG, { size: 3 }, false, OTHER, undefined],
  ] as const)
    test(name, () => {
      expect(refuseChanges(node(mode), changes, touching, caller)?.code).toBe(code);
    });
});
