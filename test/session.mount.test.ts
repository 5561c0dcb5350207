import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { isMounted, type Mounted, mounted, mounting, until } from "./support/mounted.ts";

const PLUGIN = fileURLToPath(new URL("support/steered.ts", import.meta.url));
const LONG = 60_000;

/** A mount whose file system does what it is told. */
interface Steered extends AsyncDisposable {
  readonly mount: Mounted;
  /** Run code in the server, with `hold` of support/steered.ts; rejects with the name of its error. */
  steer<T>(code: string): Promise<T>;
  /** What it has told so far, of its end too. */
  told(): string;
}

async function steered(): Promise<Steered> {
  const directory = mkdtempSync(join(tmpdir(), "puffs-steered-"));
  const told = join(directory, "told");
  writeFileSync(told, "");
  const mount = await mounted(PLUGIN, { special: directory });
  return {
    mount,
    told: () => readFileSync(told, "utf8"),
    async steer<T>(code: string) {
      const response = await fetch("http://steered/", {
        unix: join(directory, "socket"),
        method: "POST",
        body: code,
      });
      const { value, error } = (await response.json()) as { value: T; error?: string };
      if (error !== undefined) throw new Error(error);
      return value;
    },
    async [Symbol.asyncDispose]() {
      await mount.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** cat(1) of a file of the mount. */
function cat(mount: Mounted, name: string): ChildProcess & { readonly said: Promise<string> } {
  const child = spawn("cat", [join(mount.directory, name)], { timeout: LONG });
  return Object.assign(child, { said: text(child.stdout) });
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => "fine",
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );

mounting("notifications need a mount", () => {
  describe("a notification", () => {
    let fs: Steered;
    beforeAll(async () => {
      fs = await steered();
    }, LONG);
    afterAll(() => fs[Symbol.asyncDispose](), LONG);

    const content = async (name: string) => {
      const file = await fs.mount.client.open(`/${name}`, 0);
      try {
        return new TextDecoder().decode(await file.read(100, 0));
      } finally {
        await file.close();
      }
    };
    const logged = (line: string) =>
      fs.steer<number>(`return hold.log.filter((l) => l === ${JSON.stringify(line)}).length`);

    test("asked for before the mount is up is sent when it is", async () => {
      expect(await fs.steer<string>(`return hold.shelf.get("early").promise`)).toBe("told");
    });

    test(
      "of a changed node makes the kernel ask for attributes and content again",
      async () => {
        const { client } = fs.mount;
        await fs.steer(`hold.make("a", "old"); hold.make("seen", "old")`);
        expect([await content("a"), (await client.stat("/seen")).size]).toEqual(["old", 3]);
        await fs.steer(`for (const name of ["a", "seen"])
          hold.files.get(name).content = hold.text("newer")`);
        expect([await content("a"), (await client.stat("/seen")).size]).toEqual(["old", 3]);
        await fs.steer(`for (const name of ["a", "seen"])
          await hold.usermount.invalidateNode(hold.files.get(name))`);
        expect([await content("a"), (await client.stat("/seen")).size]).toEqual(["newer", 5]);
      },
      LONG,
    );

    test(
      "of a changed node with an offset below 0 leaves its content",
      async () => {
        await fs.steer(`hold.make("b", "old")`);
        await content("b");
        await fs.steer(`hold.files.get("b").content = hold.text("new")`);
        await fs.steer(`await hold.usermount.invalidateNode(hold.files.get("b"), -1)`);
        expect([await content("b"), await logged("read b")]).toEqual(["old", 1]);
      },
      LONG,
    );

    test.each(["invalidateName", "expireName"])(
      "%s makes the kernel look the name up again",
      async (call) => {
        const { client } = fs.mount;
        await fs.steer(`hold.make("c", "")`);
        await client.stat("/c");
        await fs.steer(`hold.files.delete("c")`);
        expect(await code(client.stat("/c"))).toBe("fine");
        await fs.steer(`await hold.usermount.${call}(hold.root, "c")`);
        expect(await code(client.stat("/c"))).toBe("ENOENT");
      },
      LONG,
    );

    test(
      "of all names does so for each",
      async () => {
        const { client } = fs.mount;
        await fs.steer(`hold.make("d", ""); hold.make("e", "")`);
        await client.stat("/d");
        await client.stat("/e");
        await fs.steer(`hold.files.delete("d"); hold.files.delete("e")`);
        const sent = await code(fs.steer(`await hold.usermount.invalidateAllNames()`));
        const expected = sent === "fine" ? "ENOENT" : "fine";
        expect(["fine", "ENOSYS"]).toContain(sent);
        expect([await code(client.stat("/d")), await code(client.stat("/e"))]).toEqual([
          expected,
          expected,
        ]);
      },
      LONG,
    );

    test(
      "of a removed file reaches its watchers",
      async () => {
        await fs.steer(`hold.make("f", "")`);
        await fs.mount.client.stat("/f");
        const file = join(fs.mount.directory, "f");
        const watcher = spawn("inotifywait", ["-e", "delete_self", "-t", "30", file], {
          timeout: LONG,
        });
        const said = text(watcher.stdout);
        let ready = "";
        watcher.stderr.setEncoding("utf8").on("data", (line: string) => {
          ready += line;
        });
        await until(() => ready.includes("established"), "inotifywait");
        await fs.steer(`
        const node = hold.files.get("f");
        hold.files.delete("f");
        node.nlink = 0;
        await hold.usermount.announceRemoved(hold.root, "f", node);
      `);
        expect(await said).toContain("DELETE_SELF");
        await exited(watcher);
        expect(await code(fs.mount.client.stat("/f"))).toBe("ENOENT");
      },
      LONG,
    );

    test(
      "with content puts it into the page cache, from where it can be had again",
      async () => {
        await fs.steer(`hold.make("g", "from the plugin")`);
        await fs.mount.client.stat("/g");
        await fs.steer(
          `await hold.usermount.store(hold.files.get("g"), 0, hold.text("FROM the storer"))`,
        );
        expect(await content("g")).toBe("FROM the storer");
        const got = await fs.steer<string>(`
        const bytes = await hold.usermount.retrieve(hold.files.get("g"), 5, 3);
        return new TextDecoder().decode(bytes);
      `);
        expect(got).toBe("the");
        await fs.steer(`hold.make("h", "nothing cached")`);
        await fs.mount.client.stat("/h");
        const none = `return (await hold.usermount.retrieve(hold.files.get("h"), 0, 9)).length`;
        expect(await fs.steer<number>(none)).toBe(0);
      },
      LONG,
    );

    test(
      "to prune makes the kernel forget the node",
      async () => {
        await fs.steer(`hold.make("i", "")`);
        await fs.mount.client.stat("/i");
        const sent = await code(fs.steer(`await hold.usermount.prune([hold.files.get("i"), {}])`));
        if (sent === "ENOSYS") return;
        expect(sent).toBe("fine");
        for (let known = true; known; )
          known = await fs.steer<boolean>(`return hold.usermount.knows(hold.files.get("i"))`);
        expect(await logged("reclaim i")).toBe(1);
      },
      LONG,
    );

    test(
      "to send again what is not answered: the operation at work answers it, once",
      async () => {
        await fs.steer(`
        const turn = Promise.withResolvers();
        hold.shelf.set("j", turn);
        hold.make("j", "at last").read = () => turn.promise;
      `);
        const reader = cat(fs.mount, "j");
        while ((await logged("read j")) === 0) await Bun.sleep(5);
        const sent = await code(fs.steer(`await hold.usermount.resend()`));
        expect(["fine", "ENOSYS"]).toContain(sent);
        // Time for it to come again: another request does, after it.
        await fs.mount.client.stat("/");
        await code(fs.mount.client.stat("/none"));
        await fs.steer(`hold.shelf.get("j").resolve(0)`);
        expect(await reader.said).toBe("at last");
        expect(await logged("read j")).toBe(1);
      },
      LONG,
    );

    test(
      "of nodes and names that the kernel does not know is no error; a wrong name is",
      async () => {
        for (const call of [
          "invalidateNode({})",
          `invalidateName(hold.root, "unheard-of")`,
          `invalidateName({}, "x")`,
          `expireName(hold.root, "unheard-of")`,
          `announceRemoved(hold.root, "unheard-of", {})`,
          "store({}, 0, hold.text('x'))",
          "prune([{}, {}])",
          "prune([])",
        ])
          expect([call, await code(fs.steer(`await hold.usermount.${call}`))]).toEqual([
            call,
            "fine",
          ]);
        for (const call of [
          `invalidateName(hold.root, "a/b")`,
          `invalidateName(hold.root, "")`,
          "invalidateNode(hold.root, 0.5)",
          "invalidateNode(hold.root, 0, -1)",
          "store(hold.root, -1, hold.text('x'))",
        ])
          expect([call, await code(fs.steer(`await hold.usermount.${call}`))]).toEqual([
            call,
            "EINVAL",
          ]);
      },
      LONG,
    );

    test(
      "sent from within an operation on the very node does not deadlock",
      async () => {
        await fs.steer(`
        const node = hold.make("do-it", "");
        hold.actions.set("do-it", () => {
          const { usermount, root } = hold;
          hold.shelf.set("done", Promise.all([
            usermount.invalidateName(root, "do-it"),
            usermount.expireName(root, "do-it"),
            usermount.invalidateNode(root),
            usermount.invalidateNode(node),
          ]));
        });
      `);
        expect(await code(fs.mount.client.stat("/do-it"))).toBe("fine");
        await fs.steer(`await hold.shelf.get("done")`);
        expect(await code(fs.mount.client.stat("/do-it"))).toBe("fine");
      },
      LONG,
    );

    test(
      "INTERRUPT: a blocked reader that gets a signal fires the operation's",
      async () => {
        await fs.steer(`
        const node = hold.make("slow", "never");
        node.direct = true;
        node.read = ({ signal }) => new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            hold.log.push("aborted: " + signal.reason.message);
            reject(hold.EINTR);
          });
        });
      `);
        const reader = cat(fs.mount, "slow");
        while ((await logged("read slow")) === 0) await Bun.sleep(5);
        reader.kill("SIGINT");
        await exited(reader);
        expect(reader.signalCode).toBe("SIGINT");
        expect(await logged("aborted: interrupted")).toBe(1);
        expect(await code(fs.mount.client.stat("/"))).toBe("fine");
      },
      LONG,
    );
  });

  describe("the end of a mount", () => {
    // The client's processes would keep the mount busy.
    const idle = async () => {
      const fs = await steered();
      await fs.mount.client.close();
      return fs;
    };
    const ended = async ({ mount, told }: Steered) => {
      await exited(mount.server);
      expect([mount.server.exitCode, isMounted(mount.directory)]).toEqual([0, false]);
      return told();
    };

    test(
      "comes by usermount.unmount()",
      async () => {
        await using fs = await idle();
        await fs.steer("void hold.usermount.unmount()");
        expect(await ended(fs)).toBe("unmount\n");
      },
      LONG,
    );

    test(
      "comes by usermount.unmount() from within an operation, which is still answered",
      async () => {
        await using fs = await idle();
        await fs.steer(`
        hold.make("last", "goodbye").read = () => {
          hold.usermount.unmount().then(() => hold.tell("detached"));
          return Promise.resolve(0);
        };
      `);
        expect(await cat(fs.mount, "last").said).toBe("goodbye");
        expect(await ended(fs)).toContain("unmount\n");
      },
      LONG,
    );

    test(
      "while a request is at work fires its signal, and waits for it before fs.unmount",
      async () => {
        await using fs = await idle();
        await fs.steer(`
        hold.make("busy", "x").read = ({ signal }) => new Promise((resolve) => {
          hold.tell("reading");
          signal.addEventListener("abort", () => setTimeout(() => {
            hold.tell(signal.reason.message);
            resolve(0);
          }, 50));
        });
      `);
        const reader = cat(fs.mount, "busy");
        await until(() => fs.told().includes("reading"), "the read");
        await abort(fs.mount);
        await exited(reader);
        expect(await ended(fs)).toBe("reading\nunmounted\nunmount\n");
      },
      LONG,
    );

    test(
      "does not wait for ever for a request that never ends",
      async () => {
        await using fs = await idle();
        await fs.steer(`
        hold.make("stuck", "x").read = () => { hold.tell("reading"); return new Promise(() => {}); };
      `);
        const reader = cat(fs.mount, "stuck");
        await until(() => fs.told().includes("reading"), "the read");
        await abort(fs.mount);
        await exited(reader);
        expect(await ended(fs)).toBe("reading\nunmount\n");
        expect(fs.mount.output()).toContain("1 operations had not ended");
      },
      LONG,
    );
  });
});

/** The kernel ends the connection, whatever is at work (umount2(2), MNT_FORCE); a busy mount stays where it is. */
async function abort(mount: Mounted): Promise<void> {
  await exited(spawn("umount", ["--force", mount.directory], { stdio: "ignore", timeout: LONG }));
}
