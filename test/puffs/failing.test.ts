import { describe, expect, test } from "bun:test";
import { ENOSPC, EPERM } from "../../src/errno.ts";
import { KernelFlags, Opclass, OpFlags } from "../../src/puffs/flags.ts";
import { OPS, type Row } from "../../src/puffs/ops.ts";
import { PuffsReq } from "../../src/puffs/structs.ts";
import { counted, REQUESTS, type Request, rightAnswer, whole } from "./requests.ts";
import { codeOf, find, ROOT, rig } from "./rig.ts";

/*
 * Every request, over each way in which each operation that it becomes can fail: one answer if one is awaited, else none; what nobody
 * is told is logged; the mount lives, and knows the nodes that it knew.
 */

interface Way {
  readonly operation: () => unknown;
  readonly code: string;
  /** It is a bug, and logged. */
  readonly bug?: true;
}

const WAYS: Readonly<Record<string, Way>> = {
  "answers an error": { operation: () => EPERM, code: "EPERM" },
  "answers one later": { operation: async () => EPERM, code: "EPERM" },
  "throws one": {
    operation: () => {
      throw ENOSPC;
    },
    code: "ENOSPC",
  },
  "rejects with one of node:fs": {
    operation: () => Promise.reject(Object.assign(new Error("no"), { code: "EROFS" })),
    code: "EROFS",
  },
  "has a bug": {
    operation: () => {
      throw new TypeError("undefined is not an object");
    },
    code: "EIO",
    bug: true,
  },
  "has one later": {
    operation: () => Bun.sleep(1).then(() => Promise.reject(new Error("a bug"))),
    code: "EIO",
    bug: true,
  },
  "throws nothing that there is": {
    operation: () => {
      throw undefined;
    },
    code: "EIO",
    bug: true,
  },
};

/** What the caller hears, and how many lines are logged. */
function expected({ row, faf }: Request, operation: string, { code, bug }: Way) {
  const logged = bug ? 1 : 0;
  // No error can be answered by these.
  if (operation === "node.inactive" || operation === "node.reclaim") return ["OK", 1];
  // What the kernel brings up to date of itself it may try in vain.
  if (faf) return ["OK", row === "SETATTR" ? logged : 1];
  // What has no attributes any more is gone.
  if (row === "REMOVE" && operation === "node.getattr" && !bug) return ["OK", 0];
  return [code, logged];
}

const CASES = REQUESTS.flatMap((request) =>
  request.calls.map((operation) => {
    const title = [request.row, request.title ?? [], `with ${operation}`].flat().join(" ");
    return [title, request, operation] as const;
  }),
);

/** Replies that tell attributes along ask for more of them. */
const MODES = [
  ["", 0],
  [", with times to live", KernelFlags.CACHE_FS_TTL],
] as const;

describe.each(
  CASES.flatMap((one) =>
    MODES.map(([mode, puffsFlags]) => [one[0], mode, one[1], one[2], puffsFlags] as const),
  ),
)("%s%s", (_, _mode, request, operation, puffsFlags) => {
  test.each(Object.entries(WAYS))("that %s", async (_way, way) => {
    let failing = false;
    let called = 0;
    const right = rightAnswer(operation);
    const fileSystem = whole({
      [operation]: (...parameters: unknown[]) => {
        if (!failing) return right(...parameters);
        called++;
        return way.operation();
      },
    });
    const { kernel, connection, reports, faults, answered } = rig(fileSystem, { puffsFlags });
    const file = (await find(kernel, "one")).newnode;
    const known = { root: kernel.root, file };
    const before = counted(connection);
    failing = true;
    const code = await request.drive(kernel, known).then(
      () => "OK",
      (error) => error.code as string,
    );
    // Nobody says when what nobody waits for has ended.
    if (request.faf || operation === "node.inactive") await Bun.sleep(4);
    failing = false;
    expect(called).toBeGreaterThan(0);
    expect([code, reports.length]).toEqual(expected(request, operation, way));
    expect(connection.pending.size).toBe(0);
    const isGone = request.row === "RECLAIM";
    expect(counted(connection)).toBe(isGone ? "1 1 0 0 false" : before);
    if (!isGone) await request.drive(kernel, known);
    expect((await kernel.getattr(kernel.root, ROOT)).va.type).toBe(2);
    expect(kernel.waiting).toBe(0);
    expect(faults).toEqual([]);
    expect(answered.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: kernel.lastId + 1 }, (_, id) => id),
    );
  });
});

describe("an answer past the deadline is ETIMEDOUT, and what comes then changes nothing", () => {
  /** These have no deadline, or nothing of it is waited for. */
  const NONE = ["POLL", "VFS_UNMOUNT", "INACTIVE"];
  test.each(CASES.filter(([, { faf }]) => !faf))("%s", async (_, { row, drive }, operation) => {
    let isLate = false;
    const right = rightAnswer(operation);
    const late = (...parameters: unknown[]) =>
      isLate ? Bun.sleep(12).then(() => right(...parameters)) : right(...parameters);
    const { kernel, connection, reports, faults, answered } = rig(whole({ [operation]: late }), {
      deadline: 4,
    });
    const file = (await find(kernel, "one")).newnode;
    const before = counted(connection);
    isLate = true;
    const code = await codeOf(drive(kernel, { root: kernel.root, file }));
    const hasNone = NONE.includes(row);
    expect(code).toBe(hasNone ? "OK" : "ETIMEDOUT");
    expect(reports.length).toBe(hasNone ? 0 : 1);
    while (connection.pending.size > 0) await Bun.sleep(1);
    isLate = false;
    expect(counted(connection)).toBe(before);
    expect((await kernel.getattr(file, ROOT)).va.type).toBe(1);
    expect(faults).toEqual([]);
    expect(new Set(answered).size).toBe(answered.length);
  });
});

describe("a request with the flag that nobody waits for it is not answered, whatever it is", () => {
  const heard = REQUESTS.filter(({ faf }) => !faf);
  test.each(heard.map((one) => [[one.row, one.title ?? []].flat().join(" "), one] as const))(
    "%s",
    async (_, { row, drive }) => {
      const { group, number } = OPS.find((one) => one?.name === row) as Row;
      const { opclass, optype } = PuffsReq.offsets;
      const { kernel, connection, reports, faults, answered } = rig(whole(), {}, (frame) => {
        const view = frame.requestView;
        if (view.getUint16(opclass, true) !== Opclass[group]) return;
        if (view.getUint16(optype, true) === number && !isSettingUp)
          view.setUint16(opclass, Opclass[group] | OpFlags.FAF, true);
      });
      let isSettingUp = true;
      const file = (await find(kernel, "one")).newnode;
      const before = counted(connection);
      isSettingUp = false;
      const driving = codeOf(drive(kernel, { root: kernel.root, file }));
      await Bun.sleep(2);
      expect(answered).not.toContain(kernel.lastId);
      expect(connection.pending.size).toBe(0);
      expect(counted(connection)).toBe(before);
      expect(faults).toEqual([]);
      // A line of the debugger's is one of the log.
      expect(reports.length).toBe(row === "PRINT" ? 1 : 0);
      kernel.end();
      expect(await driving).toBe("ENXIO");
    },
  );
});

test("SEEK is answered, and is not the operation of that name: that finds data and holes", async () => {
  const asked: string[] = [];
  const { kernel, reports } = rig(whole({ "node.seek": () => asked.push("seek") }));
  const file = (await find(kernel, "one")).newnode;
  const [seek] = REQUESTS.filter(({ row }) => row === "SEEK");
  expect(await codeOf((seek as Request).drive(kernel, { root: kernel.root, file }))).toBe("OK");
  expect([...asked, ...reports]).toEqual([]);
});

test("all requests are among those, with all operations that their rows name", () => {
  for (const row of OPS) {
    if (!row) continue;
    const asked = REQUESTS.filter((request) => request.row === row.name);
    expect([row.name, asked.length > 0]).toEqual([row.name, true]);
    const calls = new Set(asked.flatMap((request) => request.calls));
    for (const need of row.needs ?? []) {
      // Of two operations that one request may become it is the first, where both are there: see absent.test.ts.
      if (need === "node.mknod" && row.name === "CREATE") continue;
      if (need === "node.create" && row.name === "MKNOD") continue;
      expect([...calls]).toContain(need);
    }
  }
  const rows = OPS.map((row) => row?.name);
  for (const { row } of REQUESTS) expect(rows).toContain(row);
});
