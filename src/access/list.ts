import { S_IFDIR, S_IFLNK } from "../mode.ts";
import type { Client, Node } from "./client.ts";
import { below, type Manner } from "./manner.ts";
import type { Output } from "./output.ts";
import { aligned, longColumns } from "./show.ts";

export interface ListingOptions {
  /** Names that begin with a dot too. */
  readonly all: boolean;
  /** With attributes. */
  readonly long: boolean;
}

/** ls(1): files, then the content of directories, sorted, a name in a line; directories have headings if there is more than one path. */
export async function list(
  client: Client,
  paths: readonly string[],
  { all, long }: ListingOptions,
  output: Output,
  { attempt }: Manner,
): Promise<void> {
  const directories: string[] = [];
  const files: Row[] = [];
  for (const path of paths) {
    await attempt({ path }, async () => {
      using node = await client.find(path, !long);
      if (node.kind === S_IFDIR) directories.push(path);
      else files.push(await rowOf(client, node, path, long));
    });
  }
  await print(files, output);
  let first = files.length === 0;
  for (const path of directories) {
    await attempt({ path }, async () => {
      using directory = await client.find(path);
      const rows: Row[] = [];
      for (const name of await namesIn(client, directory, all)) {
        if (!long) rows.push({ name });
        else {
          await attempt({ path: below(path, name) }, async () => {
            using node = await client.lookup(directory, name);
            rows.push(await rowOf(client, node, name, true));
          });
        }
      }
      if (paths.length > 1) await output.print(`${first ? "" : "\n"}${output.shown(path)}:\n`);
      first = false;
      await print(rows, output);
    });
  }
}

interface Row {
  readonly name: string;
  readonly columns?: readonly string[];
  readonly target?: string;
}

async function rowOf(client: Client, node: Node, name: string, long: boolean): Promise<Row> {
  if (!long) return { name };
  const columns = longColumns(node.attr);
  if (node.kind !== S_IFLNK) return { name, columns };
  return { name, columns, target: await client.readlink(node) };
}

async function print(rows: readonly Row[], output: Output): Promise<void> {
  const columns = aligned(rows.map((row) => row.columns ?? []));
  for (const [index, { name, target }] of rows.entries()) {
    const before = columns[index] ? `${columns[index]} ` : "";
    const after = target === undefined ? "" : ` -> ${output.shown(target)}`;
    await output.print(`${before}${output.shown(name)}${after}\n`);
  }
}

async function namesIn(client: Client, directory: Node, all: boolean): Promise<string[]> {
  const names = (await Array.fromAsync(client.list(directory))).map(({ name }) => name);
  return names.filter((name) => all || !name.startsWith(".")).sort();
}

/** tree(1): what is below a path, `depth` directories deep, and how much it is. Symbolic links are not followed. */
export async function tree(
  client: Client,
  path: string,
  { all, depth }: { readonly all: boolean; readonly depth: number },
  output: Output,
  { attempt }: Manner,
): Promise<void> {
  const count = { directories: 0, files: 0 };
  const show = async (directory: Node, at: string, indent: string, left: number): Promise<void> => {
    if (left === 0) return;
    const names = await namesIn(client, directory, all);
    for (const [index, name] of names.entries()) {
      const last = index === names.length - 1;
      const child = below(at, name);
      await attempt({ path: child }, async () => {
        using node = await client.lookup(directory, name);
        const target =
          node.kind === S_IFLNK ? ` -> ${output.shown(await client.readlink(node))}` : "";
        await output.print(`${indent}${last ? "└── " : "├── "}${output.shown(name)}${target}\n`);
        if (node.kind !== S_IFDIR) count.files++;
        else {
          count.directories++;
          await show(node, child, `${indent}${last ? "    " : "│   "}`, left - 1);
        }
      });
    }
  };
  await attempt({ path }, async () => {
    using top = await client.find(path);
    await output.print(`${output.shown(path)}\n`);
    if (top.kind === S_IFDIR) await show(top, path, "", depth);
    const { directories, files } = count;
    await output.print(
      `\n${directories} ${directories === 1 ? "directory" : "directories"}, ${files} ${files === 1 ? "file" : "files"}\n`,
    );
  });
}
