import { describe, expect, test } from "bun:test";
import { direntLength } from "../../src/puffs/dirent.ts";
import * as flags from "../../src/puffs/flags.ts";
import abi from "./abi.json";

type Table = Readonly<Record<string, number>>;

/** The names of one prefix less it, and their values. */
function family(from: Table, prefix: string, except: readonly string[] = []): Table {
  const entries = Object.entries(from)
    .map(([name, value]) => [name.slice(prefix.length), value, name.startsWith(prefix)] as const)
    .filter(([name, , has]) => has && !except.includes(name));
  return Object.fromEntries(entries);
}

/** Those of the table that are ours too: the header has names that mean nothing on the wire. */
function named(from: Table, ours: Table): Table {
  return Object.fromEntries(Object.keys(ours).map((name) => [name, from[name] as number]));
}

const { protocol } = abi;

// Less the masks, which are no flags, and what other families own.
const families: readonly [string, Table, Table][] = [
  ["opclasses", flags.Opclass, family(protocol, "PUFFSOP_", ["OPCMASK"])],
  ["flags of the opclass", flags.OpFlags, family(protocol, "PUFFSOPFLAG_")],
  ["operations of VFS", flags.Vfs, family(protocol, "PUFFS_VFS_", ["MAX"])],
  ["operations of VN", flags.Vn, family(protocol, "PUFFS_VN_", ["MAX", "SPARE"])],
  ["errors", flags.Err, family(protocol, "PUFFS_ERR_", ["MAX"])],
  ["flags of the kernel", flags.KernelFlags, family(protocol, "PUFFS_KFLAG_", ["MASK"])],
  ["flags of handles", flags.FhFlags, family(protocol, "PUFFS_FHFLAG_", ["MASK", "PROTOMASK"])],
  ["setbacks", flags.Setback, family(protocol, "PUFFS_SETBACK_", ["MASK"])],
  ["suspension", flags.Suspend, family(protocol, "PUFFS_SUSPEND_")],
  ["replies to OPEN", flags.OpenReply, family(protocol, "PUFFS_OPEN_")],
  ["extattrctl", flags.Extattrctl, family(protocol, "PUFFS_EXTATTRCTL_")],
  ["caches", flags.CacheType, family(protocol, "PCACHE_TYPE_")],
  ["credentials", flags.CredType, family(protocol, "PUFFCRED_TYPE_")],
  ["credentials of the kernel", flags.CredInternal, family(protocol, "PUFFCRED_CRED_")],
  ["kinds of node", flags.Vtype, family(abi.vtypes, "V")],
  ["ioflags", flags.IoFlags, family(abi.io, "IO_")],
  ["fsync", flags.FsyncFlags, family(abi.fsync, "FSYNC_")],
  ["open", flags.O, family(abi.open, "O_", ["ACCMODE", "NDELAY", "FSYNC"])],
  ["poll", flags.Poll, family(abi.poll, "POLL", ["WRNORM"])],
  ["protection", flags.Protection, family(abi.protection, "VM_PROT_", ["NONE", "ALL", "DEFAULT"])],
  ["pathconf", flags.Pathconf, family(abi.pathconf, "_PC_")],
  ["namespaces", flags.ExtattrNamespace, family(abi.extattr, "EXTATTR_NAMESPACE_")],
  ["extattr commands", flags.ExtattrCommand, family(abi.extattr, "EXTATTR_CMD_")],
  ["extattr lists", flags.ExtattrList, family(abi.extattr, "EXTATTR_LIST_")],
  ["types of entries", flags.DirentType, family(abi.dirent, "DT_")],
  ["file flags", flags.FileFlags, family(abi.chflags, "", ["SF_SETTABLE", "UF_SETTABLE"])],
  ["vattr", flags.VattrFlags, family(abi.vnode, "VA_", ["SIGN_MASK"])],
  ["whence", flags.Seek, family(abi.fcntl, "SEEK_")],
  ["limits", flags.Limits, abi.limits],
];

describe("as the headers have them", () => {
  test.each(families)("%s", (_, ours, theirs) => {
    expect(Object.keys(theirs).length).toBeGreaterThan(0);
    expect(ours).toEqual(theirs);
  });

  test("flushes", () => {
    const theirs = Object.fromEntries(
      Object.entries(protocol)
        .filter(([name]) => /^PUFFS_(INVAL|FLUSH)_/.test(name))
        .map(([name, value]) => [name.slice("PUFFS_".length), value]),
    );
    expect(flags.FlushOp).toEqual(theirs as typeof flags.FlushOp);
  });

  test("what is about to become of a name, and its flags", () => {
    const masks = ["MODMASK", "OPMASK", "PARAMASK"];
    const actions = ["LOOKUP", "CREATE", "DELETE", "RENAME"];
    expect(flags.Nameiop).toEqual(named(abi.namei, flags.Nameiop) as typeof flags.Nameiop);
    expect(flags.CnFlags).toEqual(
      family(abi.namei, "", [...masks, ...actions, "NOFOLLOW"]) as typeof flags.CnFlags,
    );
  });

  test("mount, sync", () => {
    const composed = ["BASIC_FLAGS", "OP_FLAGS", "VISFLAGMASK", "WAIT", "NOWAIT", "LAZY"];
    expect(flags.MountFlags).toEqual(
      family(abi.mount, "MNT_", composed) as typeof flags.MountFlags,
    );
    const { MNT_WAIT, MNT_NOWAIT, MNT_LAZY } = abi.mount;
    expect<Table>(flags.Waitfor).toEqual({ WAIT: MNT_WAIT, NOWAIT: MNT_NOWAIT, LAZY: MNT_LAZY });
  });

  test("locks, access, modes of open files", () => {
    const { fcntl, vnode } = abi;
    const pick = (ours: Table, prefix: string) =>
      Object.fromEntries(
        Object.keys(ours).map((name) => [name, (fcntl as Table)[prefix + name] as number]),
      );
    expect<Table>(flags.LockType).toEqual(pick(flags.LockType, "F_"));
    expect<Table>(flags.LockOp).toEqual(pick(flags.LockOp, "F_"));
    expect<Table>(flags.LockFlags).toEqual(pick(flags.LockFlags, "F_"));
    expect<Table>(flags.FileMode).toEqual({ READ: fcntl.FREAD, WRITE: fcntl.FWRITE });
    expect<number>(flags.FIONBIO).toBe(fcntl.FIONBIO);
    const { VEXEC, VWRITE, VREAD } = vnode;
    expect<Table>(flags.Access).toEqual({ EXEC: VEXEC, WRITE: VWRITE, READ: VREAD });
    expect<number>(flags.NO_VALUE).toBe(vnode.VNOVAL);
    expect<number>(flags.NO_VALUE_32).toBe(vnode.VNOVAL >>> 0);
  });

  test("masks and constants", () => {
    const all = protocol as Table;
    expect<number>(flags.OPCLASS_MASK).toBe(protocol.PUFFSOP_OPCMASK);
    expect<number>(flags.KERNEL_FLAGS_MASK).toBe(protocol.PUFFS_KFLAG_MASK);
    expect<number>(flags.FH_FLAGS_MASK).toBe(protocol.PUFFS_FHFLAG_MASK);
    expect<number>(flags.SETBACK_MASK).toBe(protocol.PUFFS_SETBACK_MASK);
    const { MSG_MINSIZE, ...fixed } = flags.Constants;
    const known = (name: string) => all[`PUFFS_${name}`] ?? all[`PUFFS${name}`];
    for (const [name, value] of Object.entries(fixed))
      expect<unknown>([name, value]).toEqual([name, known(name)]);
    expect(MSG_MINSIZE).toBe(8192);
  });

  test("the library's flags are four bits beside the kernel's", () => {
    const bits = Object.values(flags.LibraryFlags).reduce((sum, bit) => sum + bit, 0);
    expect<number>(bits).toBe(flags.LIBRARY_FLAGS_MASK);
    // The recorded server said 0x10000000: its cookies are nodes.
    expect(flags.LibraryFlags.PNCOOKIE).toBe(0x10000000);
  });
});

test("how long the record of a directory entry is", () => {
  for (const [namlen, length] of Object.entries(abi.direntLengths))
    expect([namlen, direntLength(Number(namlen))]).toEqual([namlen, length]);
});
