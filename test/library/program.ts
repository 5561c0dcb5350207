/*
 * A program that serves a mount itself: `program.ts MODE DIRECTORY`. It has one file, "file", whose content is "hello\n".
 */
import { createReadStream, readSync, writeSync } from "node:fs";
import { createUsermount, ENOENT, type PuffsFlag, S_IFDIR, S_IFREG, unmountOnSignal } from "puffs";

const [mode = "", directory = "", ...flags] = process.argv.slice(2);
const content = new TextEncoder().encode("hello\n");
const time = { sec: 1, nsec: 0 };
const common = { uid: 0, gid: 0, atime: time, mtime: time, ctime: time };
const root = { ...common, mode: S_IFDIR | 0o755, nlink: 2, size: 0 };
const file = { ...common, mode: S_IFREG | 0o644, nlink: 1, size: content.length };
const counts: Record<string, number> = {};
const count = (name: string) => {
  counts[name] = (counts[name] ?? 0) + 1;
};

const server = createUsermount<typeof root>({
  name: "program",
  flags: flags as PuffsFlag[],
  timeouts: { names: 1000, attributes: 1000, absent: 1000 },
  keepsContent: true,
  maxRequestLength: 8192,
  node: {
    lookup(_, name) {
      count("lookup");
      return name === "file" ? file : null;
    },
    getattr: (node) => node,
    setattr(node, { size }) {
      if (size !== undefined) node.size = size;
    },
    readdir: () => [{ name: "file" }],
    read(node, into, offset) {
      count("read");
      if (node !== file) return ENOENT;
      const part = content.subarray(offset, offset + into.length);
      into.set(part);
      return part.length;
    },
    write(node, from, offset) {
      count("write");
      count(`write ${from.length}`);
      node.size = Math.max(node.size, offset + from.length);
      return from.length;
    },
  },
});
server.setRoot(root);

/** Tells the test, which reads standard output. */
const say = (what: string) => writeSync(1, `${what}\n`);

if (mode === "daemon") {
  await server.daemon();
  if (directory === "/nonexistent") say("still here");
  await server.mount(directory);
  await server.mainloop();
} else if (mode === "cancel") {
  await server.daemon();
  await server.exit();
  process.exit(7);
} else if (mode === "signal") {
  unmountOnSignal("SIGTERM");
  await server.mount(directory);
  say("mounted");
  const { reason } = await server.mainloop();
  say(`${reason} ${server.state}`);
} else if (mode === "counts") {
  await server.mount(directory);
  say("mounted");
  await server.mainloop();
  say(JSON.stringify(counts));
} else if (mode === "flush") {
  await server.mount(directory, { options: "writeback" });
  say("mounted");
  // A line from the test: it has written, and holds the file open.
  for await (const _ of createReadStream("", { fd: 0 })) {
    say(`before ${counts.write ?? 0}`);
    await server.usermount.flushNode(file);
    say(`after ${counts.write ?? 0}`);
    break;
  }
  await server.exit();
  say(server.state);
  process.exit(0);
} else if (mode === "hand") {
  await server.mount(directory, { byHand: true });
  say("mounted");
  const request = new Uint8Array(server.maxRequestLength);
  // One after the other, and the descriptor waits for us: this is all that the process does.
  server.setBlockingMode("block");
  let served = 0;
  for (;;) {
    let length: number;
    try {
      length = readSync(server.selectable, request);
    } catch (error) {
      if ((error as { code?: string }).code === "ENODEV") break;
      throw error;
    }
    const reply = await server.dispatchCreate(request.subarray(0, length)).exec();
    served++;
    if (reply) writeSync(server.selectable, reply);
  }
  await server.exit();
  say(`${served > 2} ${server.state}`);
  process.exit(0);
}
