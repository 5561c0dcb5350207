import { expect, test } from "bun:test";
import { Connection } from "../../src/fuse/connection.ts";
import { KERNEL } from "../../src/fuse/kernel.ts";
import { connect } from "../../src/fuse/loopback.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import { KernelFlags } from "../../src/puffs/flags.ts";
import { codeOf, ROOT, rig } from "../puffs/rig.ts";
import { bytes } from "../support/wire.ts";
import { attrOut, DIRECTORY, entryOut, openOut, stage } from "./scripted.ts";

/*
 * For how long the daemon says that its names and attributes may be believed reaches the kernel that we serve, as the daemon's own word: a
 * mount's wishes are for who says nothing.
 */

/** fuse_entry_out with each time-out of its own: names for 7.25 s, attributes for 2.5 s. */
function timed(nodeid: number): Uint8Array {
  const entry = entryOut(nodeid, { mode: 0o100644 });
  // entry_valid, attr_valid and their nanoseconds.
  entry.set(bytes(7n, 2n, 250_000_000, 500_000_000), 16);
  return entry;
}

/** No such name, for that long. */
function negative(seconds: bigint, nanoseconds: number): Uint8Array {
  const entry = new Uint8Array(128);
  entry.set(bytes(seconds, 0n, nanoseconds, 0), 16);
  return entry;
}

const HANDLERS = {
  LOOKUP: ({ text }: { text: (size: number) => string }) => {
    const name = text(0);
    if (name === "absent") return negative(9n, 500_000_000);
    return name === "file" ? timed(5) : name === "unbelieved" ? negative(0n, 0) : { errno: 2 };
  },
  GETATTR: ({ nodeid }: { nodeid: number }) =>
    attrOut({ ...(nodeid === 1 ? DIRECTORY : {}), valid: 4 }),
  SETATTR: () => attrOut({ valid: 3 }),
  CREATE: () => bytes(timed(6), openOut(50)),
};

test("on FUSE, of names, of attributes and of names that are not there", async () => {
  const { hosting, end } = await stage(HANDLERS);
  const wishes = { attributeTimeout: 100, entryTimeout: 100, negativeTimeout: 100 };
  const report = (message: string) => {
    throw new Error(message);
  };
  const kernel = connect(new FuseServer(new Connection(hosting.fileSystem, wishes, report)));
  await kernel.init();
  const times = {
    entryValid: 7,
    entryValidNsec: 250_000_000,
    attrValid: 2,
    attrValidNsec: 500_000_000,
  };
  const file = await kernel.lookup(1, "file", KERNEL);
  expect(file).toMatchObject(times);
  expect(await kernel.create(1, "new", { flags: 2, mode: 0o644 }, KERNEL)).toMatchObject(times);
  expect(await kernel.getattr(1, {}, KERNEL)).toMatchObject({ attrValid: 4, attrValidNsec: 0 });
  const changed = await kernel.setattr(file.nodeid, { valid: 1, mode: 0o600 }, KERNEL);
  expect(changed).toMatchObject({ attrValid: 3, attrValidNsec: 0 });
  expect(await kernel.lookup(1, "absent", KERNEL)).toMatchObject({
    ...{ nodeid: 0, entryValid: 9, entryValidNsec: 500_000_000 },
  });
  // Of these the daemon says nothing.
  for (const name of ["unbelieved", "unknown"])
    expect(await kernel.lookup(1, name, KERNEL)).toMatchObject({ nodeid: 0, entryValid: 100 });
  await end();
});

test("on puffs as TTLs; a name that is not there is ENOENT, whatever the caller is about to do with it", async () => {
  const { hosting, end } = await stage(HANDLERS);
  const { kernel } = rig(hosting.fileSystem, { puffsFlags: KernelFlags.CACHE_FS_TTL });
  const cnTtl = { sec: 7, nsec: 250_000_000 };
  const vaTtl = { sec: 2, nsec: 500_000_000 };
  const found = await kernel.lookup(kernel.root, { name: "file" }, ROOT);
  expect(found).toMatchObject({ cnTtl, vaTtl });
  expect(await kernel.create(kernel.root, "new", 0o644, ROOT)).toMatchObject({ cnTtl, vaTtl });
  expect(await kernel.getattr(kernel.root, ROOT)).toMatchObject({ vaTtl: { sec: 4, nsec: 0 } });
  for (const nameiop of [0, 1])
    expect(await codeOf(kernel.lookup(kernel.root, { name: "absent", nameiop }, ROOT))).toBe(
      "ENOENT",
    );
  await end();
});
