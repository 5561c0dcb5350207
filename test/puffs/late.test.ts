import { describe, expect, test } from "bun:test";
import { S_IFREG } from "../../src/mode.ts";
import type { Attributes, NodeOperations } from "../../src/operations.ts";
import { FSCRED } from "../../src/puffs/kernel.ts";
import { codeOf, find, ROOT, rig, system, TIME } from "./rig.ts";

/*
 * The kernel does not wait for the pages and attributes that it brings, but asks in the belief that they are there: of a plugin that
 * answers with promises as well.
 */

/** A plugin whose every operation on the file waits until it is let go, and a log of what begins and ends. */
async function slow(wishes = {}) {
  const log: string[] = [];
  const waiting: (() => void)[] = [];
  const later = async <T>(what: string, value: T): Promise<T> => {
    log.push(what);
    await new Promise<void>((resolve) => waiting.push(resolve));
    log.push(`${what}.`);
    return value;
  };
  const attributes = { mode: S_IFREG | 0o666, nlink: 1, uid: 0, gid: 0, size: 3 };
  const file: Attributes = { ...attributes, atime: TIME, mtime: TIME, ctime: TIME };
  let late = false;
  const fileSystem = system({});
  const { getattr } = fileSystem.node as Required<NodeOperations<object>>;
  const node: Partial<NodeOperations<object>> = {
    getattr: (one, call) =>
      late && one === fileSystem.file ? later("getattr", file) : getattr(one, call),
    setattr: (_, { size }) => later(`setattr ${size}`, undefined),
    write: (_, from, offset) => later(`write ${offset}`, from.length),
    read: (_, into, offset) => later(`read ${offset}`, into.length),
    fsync: () => later("fsync", undefined),
  };
  const served = rig(
    { ...fileSystem, keepsContent: true, node: { ...fileSystem.node, ...node } },
    wishes,
  );
  const { newnode } = await find(served.kernel, "file");
  late = true;
  const go = async () => {
    waiting.shift()?.();
    await Bun.sleep(1);
  };
  return { ...served, log, go, newnode };
}

const PAGE = new Uint8Array(4096);

describe("after attributes that nobody waits for", () => {
  test.each([
    ["GETATTR", "getattr"],
    ["INACTIVE", ""],
    ["READ", "read 0"],
    ["FSYNC", "fsync"],
    ["another SETATTR", "setattr 9"],
    ["a page", "write 0"],
  ] as const)("%s waits", async (name, begins) => {
    const { kernel, log, go, newnode } = await slow();
    kernel.flushAttributes(newnode, { size: 5 });
    const asked = {
      GETATTR: () => kernel.getattr(newnode, ROOT),
      INACTIVE: () => kernel.inactive(newnode),
      READ: () => kernel.read(newnode, 0, 10, ROOT),
      FSYNC: () => kernel.fsync(newnode),
      "another SETATTR": () => kernel.setattr(newnode, { size: 9 }, FSCRED),
      "a page": () => kernel.write(newnode, 0, PAGE, FSCRED),
    }[name]();
    let isDone = false;
    const done = codeOf(asked).finally(() => {
      isDone = true;
    });
    await Bun.sleep(1);
    expect([isDone, ...log]).toEqual([false, "setattr 5"]);
    await go();
    const rest = begins === "" ? [] : [begins];
    expect(log).toEqual(["setattr 5", "setattr 5.", ...rest]);
    await go();
    expect(await done).toBe("OK");
  });
});

test("a truncation waits for pages that were on their way, and pages for none", async () => {
  const { kernel, log, go, newnode } = await slow();
  const pages = [0, 4096].map((at) => kernel.write(newnode, at, PAGE, FSCRED));
  const filled = kernel.read(newnode, 8192, 10, FSCRED);
  const cut = kernel.setattr(newnode, { size: 0 }, FSCRED);
  expect(log).toEqual(["write 0", "write 4096", "read 8192"]);
  await go();
  await go();
  expect(log.slice(3)).toEqual(["write 0.", "write 4096.", "setattr 0"]);
  await go();
  await go();
  await Promise.all([...pages, filled, cut]);
  expect(log.slice(-2)).toEqual(["read 8192.", "setattr 0."]);
});

test("other nodes, and what a process asks for itself, wait for nothing", async () => {
  const { kernel, log, newnode } = await slow();
  kernel.flushAttributes(newnode, { size: 5 });
  expect(await codeOf(kernel.getattr(kernel.root, ROOT))).toBe("OK");
  expect(await codeOf(find(kernel, "absent"))).toBe("ENOENT");
  const own = await slow();
  codeOf(own.kernel.setattr(own.newnode, { mode: 0o600 }, ROOT));
  codeOf(own.kernel.getattr(own.newnode, ROOT));
  await Bun.sleep(1);
  expect(own.log).toEqual(["setattr undefined", "getattr"]);
  expect(log).toEqual(["setattr 5"]);
});

test("what failed is waited for no longer; what waited past its deadline is not begun", async () => {
  const { kernel, log, go, newnode } = await slow({ deadline: 20 });
  kernel.flushAttributes(newnode, { size: 5 });
  expect(await codeOf(kernel.setattr(newnode, { size: 1 }, FSCRED))).toBe("ETIMEDOUT");
  await go();
  await go();
  expect(log).toEqual(["setattr 5", "setattr 5."]);
  const { kernel: broken } = rig(system({ setattr: () => Promise.reject(new Error("no")) }));
  const { newnode: file } = await find(broken, "file");
  broken.flushAttributes(file, { size: 5 });
  expect(await codeOf(broken.getattr(file, ROOT))).toBe("OK");
});
