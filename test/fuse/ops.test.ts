import { describe, expect, test } from "bun:test";
import { OPS, type Row } from "../../src/fuse/ops.ts";
import { DIRECTORY, everything, FILE, type Ids, REQUESTS, subject } from "../support/everything.ts";
import { errorOf, viewOf, Wire } from "../support/wire.ts";
import abi from "./abi.json";

const rows = OPS.filter((row): row is Row => row !== undefined);
const numbers: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(abi.opcodes).map(([name, [number]]) => [name, number as number]),
);
const sizes = abi.structs as unknown as Readonly<Record<string, readonly [number, string]>>;

/**
 * By name: the header's struct behind the request's header, the one that the reply begins with ("-": none), and whether
 * there is a reply. Read off fs/fuse and libfuse's lib/fuse_lowlevel.c, not off ours.
 */
const EXPECTED: Readonly<Record<string, readonly [in_: string, out: string, reply: boolean]>> = {
  LOOKUP: ["-", "entry_out", true],
  FORGET: ["forget_in", "-", false],
  GETATTR: ["getattr_in", "attr_out", true],
  SETATTR: ["setattr_in", "attr_out", true],
  READLINK: ["-", "-", true],
  SYMLINK: ["-", "entry_out", true],
  MKNOD: ["mknod_in", "entry_out", true],
  MKDIR: ["mkdir_in", "entry_out", true],
  UNLINK: ["-", "-", true],
  RMDIR: ["-", "-", true],
  RENAME: ["rename_in", "-", true],
  LINK: ["link_in", "entry_out", true],
  OPEN: ["open_in", "open_out", true],
  READ: ["read_in", "-", true],
  WRITE: ["write_in", "write_out", true],
  STATFS: ["-", "statfs_out", true],
  RELEASE: ["release_in", "-", true],
  FSYNC: ["fsync_in", "-", true],
  SETXATTR: ["setxattr_in", "-", true],
  GETXATTR: ["getxattr_in", "-", true],
  LISTXATTR: ["getxattr_in", "-", true],
  REMOVEXATTR: ["-", "-", true],
  FLUSH: ["flush_in", "-", true],
  INIT: ["init_in", "init_out", true],
  OPENDIR: ["open_in", "open_out", true],
  READDIR: ["read_in", "dirent", true],
  RELEASEDIR: ["release_in", "-", true],
  FSYNCDIR: ["fsync_in", "-", true],
  GETLK: ["lk_in", "lk_out", true],
  SETLK: ["lk_in", "-", true],
  SETLKW: ["lk_in", "-", true],
  ACCESS: ["access_in", "-", true],
  CREATE: ["create_in", "entry_out", true],
  INTERRUPT: ["interrupt_in", "-", false],
  BMAP: ["bmap_in", "bmap_out", true],
  DESTROY: ["-", "-", true],
  IOCTL: ["ioctl_in", "ioctl_out", true],
  POLL: ["poll_in", "poll_out", true],
  NOTIFY_REPLY: ["notify_retrieve_in", "-", false],
  BATCH_FORGET: ["batch_forget_in", "-", false],
  FALLOCATE: ["fallocate_in", "-", true],
  READDIRPLUS: ["read_in", "direntplus", true],
  RENAME2: ["rename2_in", "-", true],
  LSEEK: ["lseek_in", "lseek_out", true],
  COPY_FILE_RANGE: ["copy_file_range_in", "write_out", true],
  SETUPMAPPING: ["setupmapping_in", "-", true],
  REMOVEMAPPING: ["removemapping_in", "-", true],
  SYNCFS: ["syncfs_in", "-", true],
  TMPFILE: ["create_in", "entry_out", true],
  STATX: ["statx_in", "statx_out", true],
  COPY_FILE_RANGE_64: ["copy_file_range_in", "copy_file_range_out", true],
};

describe("the rows are the opcodes of the header", () => {
  test("each once, under its number, and no others", () => {
    const header = Object.entries(numbers).filter(([name]) => !name.includes("BSWAP"));
    expect(header.length).toBe(52);
    const ours = rows.map(({ name, opcode }): [string, number] => [
      name === "CUSE_INIT" ? name : `FUSE_${name}`,
      opcode,
    ]);
    expect(ours.sort()).toEqual(header.sort());
    expect(rows.every((row) => OPS[row.opcode] === row)).toBe(true);
  });

  test.each(Object.entries(EXPECTED))("%s: %j", (name, [argument, result, answered]) => {
    const row = rows.find((one) => one.name === name) as Row;
    const sizeOf = (struct: string) => (struct === "-" ? undefined : sizes[`fuse_${struct}`]?.[0]);
    // The name at the end of these is not counted by sizeof.
    expect(row.in?.size).toBe(sizeOf(argument));
    expect(row.out?.size).toBe(sizeOf(result));
    expect(row.reply).toBe(answered);
  });

  test("and the tests have a request for each", () => {
    expect(Object.keys(REQUESTS).map(Number)).toEqual(rows.map(({ opcode }) => opcode));
    for (const { opcode, name } of rows) expect(REQUESTS[opcode]?.[0]).toBe(name);
  });
});

/** What linux/errno.h calls the answers below, and what each tells the kernel: ENOSYS never to ask again. */
const [OK, EPERM, EINVAL, ENOTTY, ENOSYS, EOPNOTSUPP, EPROTO] = [0, 1, 22, 25, 38, 95, 71];

/** What a plugin with nothing but `lookup` answers. */
const ABSENT: Readonly<Record<string, number | undefined>> = {
  LOOKUP: ENOSYS,
  FORGET: undefined,
  GETATTR: ENOSYS,
  SETATTR: EPERM,
  READLINK: EINVAL,
  SYMLINK: EPERM,
  MKNOD: EPERM,
  MKDIR: EPERM,
  UNLINK: EPERM,
  RMDIR: EPERM,
  RENAME: EPERM,
  LINK: EPERM,
  OPEN: OK,
  READ: EOPNOTSUPP,
  WRITE: EOPNOTSUPP,
  STATFS: OK,
  RELEASE: OK,
  FSYNC: ENOSYS,
  SETXATTR: ENOSYS,
  GETXATTR: ENOSYS,
  LISTXATTR: ENOSYS,
  REMOVEXATTR: ENOSYS,
  FLUSH: ENOSYS,
  INIT: EINVAL,
  OPENDIR: OK,
  READDIR: ENOSYS,
  RELEASEDIR: OK,
  FSYNCDIR: ENOSYS,
  GETLK: ENOSYS,
  SETLK: ENOSYS,
  SETLKW: ENOSYS,
  ACCESS: ENOSYS,
  CREATE: EPERM,
  INTERRUPT: undefined,
  BMAP: ENOSYS,
  DESTROY: OK,
  IOCTL: ENOTTY,
  POLL: ENOSYS,
  NOTIFY_REPLY: undefined,
  BATCH_FORGET: undefined,
  FALLOCATE: EOPNOTSUPP,
  READDIRPLUS: ENOSYS,
  RENAME2: EPERM,
  LSEEK: ENOSYS,
  COPY_FILE_RANGE: ENOSYS,
  SETUPMAPPING: ENOSYS,
  REMOVEMAPPING: ENOSYS,
  SYNCFS: ENOSYS,
  TMPFILE: ENOSYS,
  STATX: ENOSYS,
  COPY_FILE_RANGE_64: ENOSYS,
  CUSE_INIT: ENOSYS,
};

describe("a plugin that has nothing but lookup is spoken for by the rows", () => {
  test.each(Object.entries(ABSENT))("%s: error %p", (name, expected) => {
    const wire = new Wire({ root: { ...DIRECTORY }, node: { lookup: () => ({ ...FILE }) } });
    wire.init();
    const opened = wire.ask(27, 1, 0, 0) as Uint8Array;
    const openDirectory = Number(viewOf(opened).getBigUint64(16, true));
    const ids: Ids = { directory: 1, file: 1, openDirectory, openFile: 0 };
    const row = rows.find((one) => one.name === name) as Row;
    const answer = wire.ask(row.opcode, subject(row.opcode, ids), ...body(row, ids));
    expect(answer).toBeInstanceOf(Uint8Array);
    expect(errorOf(answer as Uint8Array)).toBe(expected as number);
    // The documented error is the row's, wherever the row says what it needs.
    if (row.needs && name !== "LOOKUP") expect(row.absent).toBe(expected as number);
    expect(wire.reports).toEqual([]);
  });
});

describe("a plugin that lacks one operation", () => {
  const needed = [...new Set(rows.flatMap(({ needs }) => needs ?? []))].filter(
    (name) => name.startsWith("node.") && name !== "node.lookup" && name !== "node.getattr",
  );
  test.each(needed)("%s: the rows that need it say so, all others are served", async (needs) => {
    const name = needs.slice("node.".length);
    for (const row of rows.filter((one) => one.reply && one.opcode !== 26)) {
      const { wire, ids } = await prepared({ [name]: undefined });
      const answer = await wire.ask(row.opcode, subject(row.opcode, ids), ...body(row, ids));
      const lacking = row.needs?.every((one) => one === needs);
      const error = errorOf(answer);
      const unsupported = ["SETUPMAPPING", "REMOVEMAPPING", "CUSE_INIT"].includes(row.name);
      // Of two operations the one that this request becomes.
      const special = ["FALLOCATE fallocate", "MKNOD mknod"].includes(`${row.name} ${name}`);
      if (lacking) expect([row.name, error]).toEqual([row.name, row.absent]);
      else if (!unsupported && !special) expect([row.name, error]).toEqual([row.name, OK]);
    }
  });
});

test("every row is served by a plugin that has everything", async () => {
  for (const row of rows.filter(({ opcode }) => opcode !== 26)) {
    const { wire, ids } = await prepared({});
    const answer = await wire.ask(row.opcode, subject(row.opcode, ids), ...body(row, ids));
    const never = ["SETUPMAPPING", "REMOVEMAPPING", "CUSE_INIT"].includes(row.name);
    const expected = row.reply ? (never ? ENOSYS : OK) : undefined;
    expect([row.name, errorOf(answer), wire.reports]).toEqual([row.name, expected, []]);
  }
});

test("a request that is shorter than its struct is refused with EPROTO, and one report with its bytes", () => {
  for (const row of rows.filter((one) => one.in && one.reply && one.opcode !== 26)) {
    const wire = new Wire(everything());
    wire.init();
    const answer = wire.ask(row.opcode, 1, new Uint8Array(3)) as Uint8Array;
    expect([row.name, errorOf(answer)]).toEqual([row.name, EPROTO]);
    expect(wire.reports.length).toBe(1);
    expect(wire.reports[0]?.message).toContain("000000");
  }
});

test("a number that is no opcode is answered ENOSYS", () => {
  const wire = new Wire(everything());
  wire.init();
  for (const opcode of [0, 7, 19, 54, 4095, 4097, 0x80000000, 0xffffffff])
    expect(errorOf(wire.ask(opcode, 1) as Uint8Array)).toBe(ENOSYS);
});

function body(row: Row, ids: Ids) {
  return REQUESTS[row.opcode]?.[2](ids) ?? [];
}

/** A server whose plugin has everything but what is changed, with a file and a directory open. */
async function prepared(changed: object) {
  const wire = new Wire(everything(changed));
  wire.init(45, 0xffffffff & ~(1 << 17));
  const file = await wire.lookup(1, "one");
  const handle = async (opcode: number, node: number) =>
    Number(viewOf(await wire.ask(opcode, node, 0, 0)).getBigUint64(16, true));
  const openFile = await handle(14, file);
  const openDirectory = await handle(27, 1);
  return { wire, ids: { directory: 1, file, openFile, openDirectory } };
}
