import { expect, test } from "bun:test";
import { EBUSY } from "../../src/errno.ts";
import { createUsermount } from "../../src/library/server.ts";
import type { FileSystemOperations, NodeOperations } from "../../src/operations.ts";
import { CALLER, DIRECTORY, FILE, onComfd } from "../library/comfd.ts";
import { codeOf } from "./rig.ts";

/*
 * unmount(2) of NetBSD's kernel asks the file system, which may refuse unless it is by force: our server by its own door and engine.
 */

const ROOT = {};

function server(
  fs: FileSystemOperations<object>,
  node: Partial<NodeOperations<object>> = {},
): ReturnType<typeof createUsermount<object>> {
  const made = createUsermount<object>({
    name: "stubborn",
    node: {
      lookup: () => FILE,
      getattr: (one) => (one === ROOT ? DIRECTORY : FILE),
      ...node,
    },
    fs,
  });
  made.setRoot(ROOT);
  return made;
}

test("is refused with what fs.unmount fails with, the mount lives on, and the next one asks again", async () => {
  const answers: (() => unknown)[] = [
    () => EBUSY,
    () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" })),
    () => undefined,
  ];
  let calls = 0;
  const stubborn = server({ unmount: () => answers[calls++]?.() as undefined });
  await onComfd(stubborn, async ({ kernel }) => {
    for (const code of ["EBUSY", "ENOSPC"]) {
      expect(await codeOf(kernel.detach())).toBe(code);
      expect(stubborn.state).toBe("running");
      const { newnode } = await kernel.lookup(kernel.root, { name: "file" }, CALLER);
      expect((await kernel.getattr(newnode, CALLER)).va.type).toBe(1);
    }
    await kernel.detach();
    expect((await stubborn.mainloop()).reason).toBe("unmounted");
  });
  // Not again as the session ends.
  expect(calls).toBe(3);
});

test("by force ends the mount whatever fs.unmount says, which is called once", async () => {
  let calls = 0;
  const stubborn = server({
    unmount() {
      calls++;
      return EBUSY;
    },
  });
  await onComfd(stubborn, async ({ kernel }) => {
    await kernel.detach(true);
    expect((await stubborn.mainloop()).reason).toBe("unmounted");
  });
  expect(calls).toBe(1);
});

test("comes behind all other calls: what is at work has given up, files have ended, nodes are reclaimed", async () => {
  const calls: string[] = [];
  const node = {
    open: () => undefined,
    read: (_: object, __: Uint8Array, ___: number, { signal }: { signal: AbortSignal }) =>
      new Promise<number>((_, reject) => {
        signal.addEventListener("abort", async () => {
          await Bun.sleep(10);
          calls.push("read");
          reject(Object.assign(new Error("given up"), { code: "EINTR" }));
        });
      }),
    inactive: () => void calls.push("inactive"),
    reclaim: (one: object) => void calls.push(one === ROOT ? "reclaim of the root" : "reclaim"),
  };
  const stubborn = server({ unmount: () => void calls.push("unmount") }, node);
  await onComfd(stubborn, async ({ kernel }) => {
    const { newnode } = await kernel.lookup(kernel.root, { name: "file" }, CALLER);
    await kernel.open(newnode, 1, CALLER);
    await kernel.open(kernel.root, 1, CALLER);
    const reading = codeOf(kernel.read(newnode, 0, 1, CALLER));
    await kernel.getattr(newnode, CALLER);
    await kernel.unmount();
    expect(await reading).toBe("EINTR");
    kernel.end();
    await stubborn.mainloop();
  });
  expect(calls).toEqual([
    ...["read", "inactive", "reclaim of the root", "inactive", "reclaim"],
    ...["unmount"],
  ]);
});

test("leaves writes that nobody waits for the time that they take", async () => {
  const calls: string[] = [];
  const node = {
    write: (_: object, from: Uint8Array, ___: number, { signal }: { signal: AbortSignal }) => {
      signal.addEventListener("abort", () => calls.push("aborted"));
      return Bun.sleep(50).then(() => {
        calls.push("written");
        return from.length;
      });
    },
  };
  const stubborn = server({ unmount: () => void calls.push("unmount") }, node);
  await onComfd(stubborn, async ({ kernel }) => {
    const { newnode } = await kernel.lookup(kernel.root, { name: "file" }, CALLER);
    kernel.writeBack(newnode, 0, Uint8Array.of(1));
    await kernel.detach();
  });
  expect(calls).toEqual(["written", "unmount"]);
});

test("that takes long is not called again when the kernel goes meanwhile", async () => {
  const slow = Promise.withResolvers<void>();
  let calls = 0;
  const stubborn = server({
    unmount() {
      calls++;
      return slow.promise;
    },
  });
  await onComfd(stubborn, async ({ kernel }) => {
    const asked = codeOf(kernel.unmount());
    while (calls === 0) await Bun.sleep(1);
    // Others are served while it is at work.
    expect((await kernel.getattr(kernel.root, CALLER)).va.type).toBe(2);
    await kernel.unmount(0x80000);
    slow.resolve();
    await stubborn.mainloop();
    kernel.end();
    expect(await asked).toBe("ENXIO");
  });
  expect(calls).toBe(1);
});

test("a deadline of the mount's is none of its", async () => {
  let calls = 0;
  const slow = async () => {
    calls++;
    await Bun.sleep(1300);
  };
  const stubborn = server({ unmount: slow });
  await onComfd(
    {
      ...stubborn,
      mount: (directory, options) =>
        stubborn.mount(directory, { ...options, options: "deadline=1" }),
      mainloop: () => stubborn.mainloop(),
      exit: () => stubborn.exit(),
    },
    async ({ kernel }) => {
      expect(await codeOf(kernel.unmount())).toBe("OK");
      kernel.end();
    },
  );
  expect(calls).toBe(1);
});
