/*
 * The null layer of an ordinary user: `ordinary-layer.ts DIRECTORY`, started by root, prints what it could do as JSON.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { OpenFile } from "../../src/files.ts";
import { nullLayer } from "../../src/library/null-layer.ts";
import type { Call } from "../../src/operations.ts";

const [directory = ""] = process.argv.slice(2);
const USER = 1000;
process.setgroups?.([]);
process.setgid?.(USER);
process.setuid?.(USER);

const { root, node } = await nullLayer(directory);
const call = { uid: USER, gid: USER, file: undefined } as unknown as Call;
const O_WRONLY = 1;
const O_RDWR = 2;
const text = (words: string) => new TextEncoder().encode(words);

/** The code of what went wrong. */
const outcome = async (action: () => unknown) => {
  try {
    await action();
    return "done";
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

const said: Record<string, unknown> = {};
for (const [name, flags] of [
  ["written", O_WRONLY],
  ["both", O_RDWR],
] as const) {
  const made = await node.create?.(root, name, 0o100444, call);
  if (!made || !("key" in made)) throw new Error("nothing was made");
  const file = { flags, data: undefined } as unknown as OpenFile;
  said[`open ${name}`] = await outcome(() => node.open?.(made, file, call));
  said[`write ${name}`] = await outcome(() =>
    node.write?.(made, text("by handle"), 0, { ...call, file }),
  );
  await node.inactive?.(made, file);
  // As the kernel writes what it still has when nobody has the file open.
  said[`late ${name}`] = await outcome(() => node.write?.(made, text("later"), 0, call));
  const path = join(directory, name);
  said[name] = [readFileSync(path, "latin1"), (statSync(path).mode & 0o7777).toString(8)];
}
const theirs = await node.lookup(root, "theirs", call);
if (!theirs || !("key" in theirs)) throw new Error("root's file is not there");
said.theirs = await outcome(() => node.write?.(theirs, text("no"), 0, call));
console.log(JSON.stringify(said));
