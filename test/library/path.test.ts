import { describe, expect, test } from "bun:test";
import { ENOENT, Errno } from "../../src/errno.ts";
import { NodeList, type PuffsNode } from "../../src/library/node.ts";
import { type PathObject, type PathRules, Paths, standardPaths } from "../../src/library/path.ts";
import { withPaths } from "../../src/library/with-paths.ts";
import { type Call, type NodeOperations, RENAME_EXCHANGE } from "../../src/operations.ts";

test("standard paths", () => {
  const { build, compare } = standardPaths;
  expect(build("/a", "b", 0)).toBe("/a/b");
  expect(build("/", "b", 0)).toBe("/b");
  expect(build("/new", "/old/b/c", 4)).toBe("/new/b/c");
  expect(build("", "b", 0)).toBe("/b");
  expect(build("/a//", "//b", 0)).toBe("/a/b");
  expect(build("/a/b", "..", 0)).toBe("/a");
  expect(build("/a", "..", 0)).toBe("/");
  expect(build("/a", "..b", 0)).toBe("/a/..b");
  expect(compare("/a", "/a/b", 2, true)).toBe(true);
  expect(compare("/a", "/ab", 2, true)).toBe(false);
  expect(compare("/a", "/a", 2, true)).toBe(false);
  expect(compare("/a", "/a", 2, false)).toBe(true);
  expect(compare("/a", "/ab", 2, false)).toBe(false);
});

for (const hash of [false, true])
  describe(hash ? "with hashes" : "without hashes", () => {
    const start = () => {
      const nodes = new NodeList<string>();
      const paths = new Paths(nodes, standardPaths, { hash });
      const add = (path: string) => {
        const node = nodes.create(path);
        paths.assign(node, paths.object(path));
        return node;
      };
      const list = () => {
        const all: string[] = [];
        nodes.walk((node) => void all.push(`${node.data}=${paths.of(node)?.path}`));
        return all;
      };
      return { nodes, paths, add, list };
    };

    test("nodes are found by their paths", () => {
      const { paths, add, nodes } = start();
      const directory = add("/dir");
      const file = add("/dir/file");
      expect(paths.find(paths.child(directory, "file"))).toBe(file);
      expect(paths.find(paths.child(directory, "fil"))).toBeUndefined();
      expect(paths.find(paths.object("/dir/fild"))).toBeUndefined();
      nodes.remove(file);
      expect(paths.find(paths.object("/dir/file"))).toBeUndefined();
    });

    test("a renamed directory takes all below along, and what it replaces has no path", () => {
      const { paths, add, list } = start();
      for (const path of ["/a", "/a/b", "/a/b/c", "/ab", "/new"]) add(path);
      paths.move(paths.object("/a"), paths.object("/new"));
      expect(list()).toEqual([
        "/a=/new",
        "/a/b=/new/b",
        "/a/b/c=/new/b/c",
        "/ab=/ab",
        "/new=undefined",
      ]);
      expect(paths.find(paths.object("/new/b/c"))?.data).toBe("/a/b/c");
    });

    test("two directories are exchanged with all below", () => {
      const { paths, add, list } = start();
      for (const path of ["/a", "/a/x", "/b", "/b/y"]) add(path);
      paths.exchange(paths.object("/a"), paths.object("/b"));
      expect(list()).toEqual(["/a=/b", "/a/x=/b/x", "/b=/a", "/b/y=/a/y"]);
    });

    test("a directory without a path has no children with one", () => {
      const { paths, add } = start();
      const directory = add("/a");
      paths.lose(paths.object("/a"));
      expect(() => paths.child(directory, "b")).toThrow(ENOENT);
    });
  });

test("hashes tell paths apart", () => {
  const paths = new Paths(new NodeList(), standardPaths, { hash: true });
  const hashes = ["/a", "/b", "/a/b", "/b/a"].map((path) => paths.object(path).hash);
  expect(new Set(hashes).size).toBe(4);
  expect(paths.object("/a").hash).toBe(hashes[0] as number);
  expect(new Paths(new NodeList(), standardPaths).object("/a").hash).toBe(0);
});

test("a hash spares comparisons, and does not replace them", () => {
  for (const hash of [false, true]) {
    let compared = 0;
    const nodes = new NodeList<string>();
    const compare: typeof standardPaths.compare = (...args) => {
      compared++;
      return standardPaths.compare(...args);
    };
    const paths = new Paths(nodes, { ...standardPaths, compare }, { hash });
    for (let n = 100; n < 200; n++) {
      const node = nodes.create(`/${n}`);
      paths.assign(node, paths.object(node.data));
    }
    expect(paths.find(paths.object("/199"))?.data).toBe("/199");
    expect(compared).toBe(hash ? 1 : 100);
    // Another length is no comparison, with or without.
    compared = 0;
    expect(paths.find(paths.object("/1990"))).toBeUndefined();
    expect(compared).toBe(0);
    // Another path that happens to have the same hash.
    const collision = { path: "/xyz", hash: paths.object("/150").hash };
    expect(paths.find(collision)).toBeUndefined();
    expect(compared).toBe(hash ? 1 : 100);
  }
});

/** Paths of numbers, such as those of sysctl(3); names are their numerals. */
const numbers = (freed: number[][]): PathRules<number[]> => ({
  build: (directory, component, offset) => [...directory, ...component.slice(offset)],
  transform: (_directory, name) => [Number(name)],
  compare: (path, other, length, prefix) =>
    path.every((number, at) => other[at] === number) &&
    (prefix ? other.length > length : other.length === length),
  free: (path) => freed.push(path),
});

test("paths can be something else", () => {
  const freed: number[][] = [];
  const nodes = new NodeList<string>();
  const paths = new Paths(nodes, numbers(freed), { hash: true });
  const [root, one, two] = ["root", "one", "two"].map((name) => nodes.create(name));
  paths.assign(root as PuffsNode, paths.object([]));
  paths.assign(one as PuffsNode, paths.child(root as PuffsNode, "1"));
  paths.assign(two as PuffsNode, paths.child(one as PuffsNode, "2"));
  expect(paths.find(paths.object([1, 2]))).toBe(two as PuffsNode);
  paths.move(paths.object([1]), paths.object([7]));
  expect(paths.of(two as PuffsNode)?.path).toEqual([7, 2]);
  // What the names became, the old ones of both, and the one that was said to be moved.
  expect(freed).toEqual([[1], [2], [1, 2], [1], [1]]);
});

describe("operations with paths", () => {
  const call = {} as Call;

  function start(operations: Partial<NodeOperations<PuffsNode<string>>>) {
    const freed: string[] = [];
    const nodes = new NodeList<string>();
    const paths = new Paths(nodes, { ...standardPaths, free: (path) => freed.push(path) });
    const root = nodes.create("root");
    paths.assign(root, paths.object("/top"));
    const given: string[] = [];
    const framed = withPaths<PuffsNode<string>, string>(
      { lookup: () => null, ...operations },
      { paths },
    );
    const say = () => {
      const { path, target } = framed.given(call);
      given.push(target ? `${path.path} ${target.path}` : path.path);
    };
    return { nodes, paths, root, node: framed.node, given, freed, say, framed };
  }

  test("what is found and made is known by its path, at once or later", async () => {
    const made = new NodeList<string>();
    const { node, root, paths, freed } = start({
      lookup: (_, name) => made.create(name),
      mkdir: async (_, name) => made.create(name),
    });
    const file = node.lookup(root, "file", call) as PuffsNode;
    expect(paths.of(file)?.path).toBe("/top/file");
    const directory = (await node.mkdir?.(root, "dir", 0o755, call)) as PuffsNode<string>;
    expect(paths.of(directory)?.path).toBe("/top/dir");
    const below = node.lookup(directory, "x", call) as PuffsNode;
    expect(paths.of(below)?.path).toBe("/top/dir/x");
    expect(freed).toEqual([]);
  });

  test("an operation learns the path of what it is given, and of where to", async () => {
    const all: ReturnType<typeof start> = start({
      remove: () => all.say(),
      rename: () => all.say(),
      symlink: () => {
        all.say();
        return all.root;
      },
    });
    const { node, root, given } = all;
    node.remove?.(root, "gone", call);
    node.rename?.(root, "from", root, "to", 0, call);
    node.symlink?.(root, "link", "target", call);
    expect(given).toEqual(["/top/gone", "/top/from /top/to", "/top/link"]);
    expect(() => all.framed.given({} as Call)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });

  test("paths follow a rename, an exchange and a removal that succeed, and no others", async () => {
    let answer: Errno | undefined;
    const { node, root, paths, nodes } = start({
      rename: async () => answer,
      rmdir: () => answer,
      remove: () => {
        throw new Errno("EBUSY");
      },
      lookup: (_, name) => nodes.create(name),
    });
    const a = node.lookup(root, "a", call) as PuffsNode<string>;
    const child = node.lookup(a, "child", call) as PuffsNode;
    const b = node.lookup(root, "b", call) as PuffsNode;
    answer = new Errno("EPERM");
    await node.rename?.(root, "a", root, "c", 0, call);
    node.rmdir?.(root, "b", call);
    expect(() => node.remove?.(root, "b", call)).toThrow("EBUSY");
    expect([a, child, b].map((one) => paths.of(one)?.path)).toEqual([
      "/top/a",
      "/top/a/child",
      "/top/b",
    ]);
    answer = undefined;
    await node.rename?.(root, "a", root, "c", 0, call);
    await node.rename?.(root, "b", root, "c", RENAME_EXCHANGE, call);
    expect([a, child, b].map((one) => paths.of(one)?.path)).toEqual([
      "/top/b",
      "/top/b/child",
      "/top/c",
    ]);
    node.rmdir?.(root, "c", call);
    expect(paths.of(b)).toBeUndefined();
  });

  test("every path that was made is freed once it is not used", async () => {
    const { node, root, paths, nodes, freed } = start({
      lookup: async (_, name) => (name === "absent" ? null : file),
      remove: () => undefined,
      link: () => undefined,
    });
    const file = nodes.create("file");
    await node.lookup(root, "absent", call);
    await node.lookup(root, "file", call);
    await node.lookup(root, "other name", call);
    expect(freed).toEqual(["/top/absent", "/top/other name"]);
    node.link?.(root, "third", file, call);
    node.remove?.(root, "file", call);
    expect(freed.slice(2)).toEqual(["/top/third", "/top/file", "/top/file"]);
    expect(paths.of(file)).toBeUndefined();
    await node.lookup(root, "other name", call);
    expect(paths.of(file)?.path).toBe("/top/other name");
    node.reclaim?.(file);
    expect(freed.at(-1)).toBe("/top/other name");
  });

  test("what the rules throw fails the operation, which is not called, and leaves no path behind", () => {
    const failing = (what: string) => (name: string) => {
      if (name === what) throw new Errno("EILSEQ");
      return name;
    };
    const made: string[] = [];
    const freed: string[] = [];
    const nodes = new NodeList<string>();
    const untransformable = failing("untransformable");
    const unbuildable = failing("<unbuildable>");
    const note = (path: string) => {
      made.push(path);
      return path;
    };
    const paths = new Paths(nodes, {
      transform: (_, name) => note(`<${untransformable(name)}>`),
      build: (directory, component, offset) =>
        note(`${directory}/${unbuildable(component).slice(offset)}`),
      compare: standardPaths.compare,
      free: (path) => void freed.push(path),
    });
    const root = nodes.create("root");
    paths.assign(root, paths.object("/top"));
    const called: string[] = [];
    const { node } = withPaths<PuffsNode<string>, string>(
      {
        lookup(_, name) {
          called.push(name);
          return null;
        },
        rename: (_, name) => void called.push(name),
      },
      { paths, modifyName: (_, name) => failing("unmodifiable")(name) },
    );
    for (const name of ["untransformable", "unbuildable", "unmodifiable"]) {
      expect(() => node.lookup(root, name, call)).toThrow(new Errno("EILSEQ"));
      expect(() => node.rename?.(root, "good", root, name, 0, call)).toThrow(new Errno("EILSEQ"));
    }
    expect(called).toEqual([]);
    expect(freed.toSorted()).toEqual(made.toSorted());
    node.lookup(root, "good", call);
    expect(called).toEqual(["good"]);
    expect(freed.toSorted()).toEqual(made.toSorted());
  });

  test("a name is modified for the operation and transformed as it came for the path", () => {
    const nodes = new NodeList<string>();
    const paths = new Paths(nodes, {
      ...standardPaths,
      transform: (directory, name) => `${directory.length}:${name}`,
    });
    const root = nodes.create("root");
    paths.assign(root, paths.object("/top"));
    const { node } = withPaths<PuffsNode<string>, string>(
      { lookup: (_, name) => nodes.create(name) },
      { paths, modifyName: (_, name) => name.toUpperCase() },
    );
    const found = node.lookup(root, "File", call) as PuffsNode<string>;
    expect([found.data, paths.of(found)?.path]).toEqual(["FILE", "/top/4:File"]);
  });

  test("an operation may give its node the path itself, so that two that wait find one node", async () => {
    const all: ReturnType<typeof start> = start({
      async lookup(_, name, call) {
        await null;
        const { path } = all.framed.given(call) as { path: PathObject<string> };
        const known = all.paths.find(path) as PuffsNode<string> | undefined;
        const node = known ?? all.nodes.create(name);
        if (!known) all.paths.assign(node, path);
        return node;
      },
    });
    const [one, other] = await Promise.all(
      [{}, {}].map((each) => all.node.lookup(all.root, "file", each as Call)),
    );
    expect(other).toBe(one as PuffsNode<string>);
    // The second path only.
    expect(all.freed).toEqual(["/top/file"]);
    expect(all.paths.of(one as PuffsNode)?.path).toBe("/top/file");
  });

  test("what waits while its directory is moved gets the path that it has then", async () => {
    const gate = Promise.withResolvers<void>();
    const all: ReturnType<typeof start> = start({
      async lookup(directory, name) {
        if (directory !== all.root) await gate.promise;
        return all.nodes.create(name);
      },
      remove: () => gate.promise,
      rename: () => undefined,
      rmdir: () => undefined,
    });
    const { node, root, paths, freed } = all;
    const call = () => ({}) as Call;
    const directory = (await node.lookup(root, "dir", call())) as PuffsNode<string>;
    const gone = (await node.lookup(root, "gone", call())) as PuffsNode<string>;
    const known = all.nodes.create("known");
    paths.assign(known, paths.object("/top/dir/known"));
    const found = node.lookup(directory, "file", call()) as Promise<PuffsNode<string>>;
    const removed = node.remove?.(directory, "known", call());
    const lost = node.lookup(gone, "lost", call()) as Promise<PuffsNode<string>>;
    await node.rename?.(root, "dir", root, "moved", 0, call());
    node.rmdir?.(root, "gone", call());
    gate.resolve();
    const [file, nameless] = await Promise.all([found, lost, removed]);
    expect(paths.of(file)?.path).toBe("/top/moved/file");
    expect(paths.of(known)).toBeUndefined();
    expect(paths.of(nameless)).toBeUndefined();
    expect(freed.filter((path) => path === "/top/dir/file")).toEqual(["/top/dir/file"]);
    expect(freed.filter((path) => path === "/top/gone/lost")).toEqual(["/top/gone/lost"]);
  });

  test("a file without a name gets that of its next link", () => {
    const all: ReturnType<typeof start> = start({
      lookup: (_, name) => all.nodes.create(name),
      remove: () => undefined,
      link: () => undefined,
    });
    const { node, root, paths } = all;
    const file = node.lookup(root, "file", call) as PuffsNode<string>;
    node.link?.(root, "second", file, call);
    expect(paths.of(file)?.path).toBe("/top/file");
    node.remove?.(root, "file", call);
    expect(paths.of(file)).toBeUndefined();
    node.link?.(root, "third", file, call);
    expect(paths.of(file)?.path).toBe("/top/third");
  });

  test("a call that serves another operation knows no path any more", async () => {
    const seen: unknown[] = [];
    const all: ReturnType<typeof start> = start({
      lookup: async (_, name) => (name === "absent" ? null : all.nodes.create(name)),
      getattr: (_, call) => {
        seen.push(all.framed.given(call));
        return {} as never;
      },
    });
    const { node, root } = all;
    for (const name of ["absent", "file"]) {
      await node.lookup(root, name, call);
      expect(() => node.getattr?.(root, call)).toThrow(expect.objectContaining({ code: "EINVAL" }));
    }
    expect(seen).toEqual([]);
  });

  test("what was removed in the operation itself has no path afterwards", () => {
    const all: ReturnType<typeof start> = start({
      lookup: (_, name) => all.nodes.create(name),
      remove: (_, name) =>
        void all.nodes.walk((node) => node.data === name && all.nodes.remove(node)),
      rename: (_from, _name, _to, name) =>
        void all.nodes.walk((node) => node.data === name && all.nodes.remove(node)),
    });
    const [a, b, c] = ["a", "b", "c"].map(
      (name) => all.node.lookup(all.root, name, call) as PuffsNode<string>,
    );
    all.node.remove?.(all.root, "a", call);
    all.node.rename?.(all.root, "c", all.root, "b", 0, call);
    expect([a, b, c].map((node) => all.paths.of(node as PuffsNode)?.path)).toEqual([
      undefined,
      undefined,
      "/top/b",
    ]);
    expect(all.freed.toSorted()).toEqual(["/top/a", "/top/a", "/top/b", "/top/c", "/top/c"]);
  });

  test("a node that is reclaimed is known by its path until its operation has been called", async () => {
    const seen: unknown[] = [];
    const all: ReturnType<typeof start> = start({
      lookup: (_, name) => all.nodes.create(name),
      async reclaim(node) {
        seen.push(all.paths.of(node)?.path);
        await null;
        seen.push(all.paths.of(node)?.path);
      },
    });
    const file = all.node.lookup(all.root, "file", call) as PuffsNode<string>;
    await all.node.reclaim?.(file);
    expect(seen).toEqual(["/top/file", undefined]);
    expect(all.freed).toEqual(["/top/file"]);
  });

  test("names may be modified before they get anywhere", () => {
    const seen: string[] = [];
    const nodes = new NodeList<string>();
    const paths = new Paths(nodes, standardPaths);
    const own = { file: nodes.create("root") };
    paths.assign(own.file, paths.object("/Top"));
    const { node } = withPaths<{ file: PuffsNode<string> }, string>(
      {
        lookup(_, name) {
          seen.push(name);
          return { file: nodes.create(name) };
        },
      },
      {
        paths,
        nodeOf: ({ file }) => file,
        modifyName: (directory, name) => `${directory?.path.length}${name.toLowerCase()}`,
      },
    );
    const found = node.lookup(own, "README", call) as { file: PuffsNode };
    expect(seen).toEqual(["4readme"]);
    expect(paths.of(found.file)?.path).toBe("/Top/4readme");
  });

  test("operations of a class keep what is theirs", () => {
    class Mine implements NodeOperations<PuffsNode<string>> {
      readonly #text = "mine";
      lookup() {
        return null;
      }
      readlink() {
        return this.#text;
      }
    }
    const { node, root } = start({});
    expect(node.readlink).toBeUndefined();
    const { node: ofClass } = withPaths(new Mine(), {
      paths: new Paths(new NodeList(), standardPaths),
    });
    expect(ofClass.readlink?.(root, call)).toBe("mine");
  });
});
