import { appendFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Attributes,
  type Call,
  definePlugin,
  EINTR,
  ENOENT,
  type FileSystem,
  type Usermount,
} from "puffs";

/** A file whose content the tests change behind the kernel's back. */
interface Node {
  mode: number;
  nlink: number;
  content: Uint8Array;
  /** Its reads go by the page cache. */
  direct?: boolean;
  /** Called by reads of it, which answer when it does. */
  read?: (call: Call) => number | Promise<number>;
}

/** What the code that a test sends can get hold of. */
export interface Hold {
  readonly usermount: Usermount;
  readonly root: Node;
  readonly files: Map<string, Node>;
  /** What was asked, in order: "lookup a", "read a", ... */
  readonly log: string[];
  readonly make: (name: string, text: string) => Node;
  readonly text: (text: string) => Uint8Array;
  /** Written to a file of the test's: survives the end. */
  readonly tell: (line: string) => void;
  /** For promises that a test settles later. */
  readonly shelf: Map<string, PromiseWithResolvers<number>>;
  /** Called by `lookup` of names that begin with "do-". */
  readonly actions: Map<string, () => void>;
  readonly EINTR: typeof EINTR;
}

/** A file system that a test steers from outside: its code comes over the socket "socket" in the source directory. */
export default definePlugin({
  name: "steered",
  description: "does what a test says",
  source: { description: "a directory for its socket", required: true },
  start({ source, usermount }): FileSystem<Node> {
    const directory = source as string;
    const time = { sec: 1, nsec: 0 };
    const text = (content: string) => new TextEncoder().encode(content);
    const root: Node = { mode: 0o040755, nlink: 2, content: text("") };
    const files = new Map<string, Node>();
    const names = new Map<Node, string>([[root, "/"]]);
    const log: string[] = [];
    const hold: Hold = {
      usermount,
      root,
      files,
      log,
      text,
      tell: (line) => appendFileSync(join(directory, "told"), `${line}\n`),
      shelf: new Map(),
      actions: new Map(),
      EINTR,
      make(name, content) {
        const node: Node = { mode: 0o100644, nlink: 1, content: text(content) };
        files.set(name, node);
        names.set(node, name);
        return node;
      },
    };
    const early = usermount.invalidateNode(root).then(
      () => "told",
      (error) => `failed: ${error}`,
    );
    hold.shelf.set("early", { promise: early } as never);
    const server = Bun.serve({
      unix: join(directory, "socket"),
      async fetch(request) {
        try {
          const act = new Function("hold", `return (async () => { ${await request.text()} })()`);
          return Response.json({ value: (await act(hold)) ?? null });
        } catch (error) {
          return Response.json({ error: String((error as { code?: string }).code ?? error) });
        }
      },
    });
    server.unref();
    const attributes = (node: Node): Attributes => ({
      mode: node.mode,
      nlink: node.nlink,
      uid: 0,
      gid: 0,
      size: node.content.length,
      atime: time,
      mtime: time,
      ctime: time,
    });
    return {
      root,
      timeouts: { attributes: Infinity, names: Infinity },
      keepsContent: true,
      fs: {
        unmount: () => {
          hold.tell("unmount");
          server.stop(true);
        },
      },
      node: {
        lookup(_directory, name) {
          log.push(`lookup ${name}`);
          hold.actions.get(name)?.();
          return files.get(name) ?? null;
        },
        open(node, file) {
          file.directIo = node.direct ?? false;
        },
        getattr: attributes,
        setattr: (node) => attributes(node),
        readdir: () => [...files].map(([name, { mode }]) => ({ name, mode })),
        remove: (_directory, name) => (files.delete(name) ? undefined : ENOENT),
        read(node, into, offset, call) {
          log.push(`read ${names.get(node)}`);
          const fill = () => {
            const part = node.content.subarray(offset, offset + into.length);
            into.set(part);
            return part.length;
          };
          const answer = node.read?.(call);
          if (answer === undefined) return fill();
          return typeof answer === "number" ? answer : answer.then(fill);
        },
        reclaim: (node) => {
          log.push(`reclaim ${names.get(node)}`);
        },
      },
    };
  },
});
