import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { O_CREAT, O_RDWR } from "../support/client.ts";
import { type Mounted, mounted, mounting, until } from "../support/mounted.ts";
import type { PosixClient } from "../support/posix-client.ts";
import { exited, FAULTY } from "./support.ts";

/* Operations that fail, answer nonsense or do not end, on a real mount. */

const MINUTE = 60_000;
const S_IFIFO = 0o010000;
const IN_USER = "user.a";

/** How each operation is brought about, on the file whose name makes it misbehave. */
const OPERATIONS: Record<string, (client: PosixClient, path: string) => Promise<unknown>> = {
  lookup: (client, path) => client.stat(path),
  getattr: (client, path) => client.stat(path),
  setattr: (client, path) => client.chmod(path, 0o600),
  create: (client, path) => client.open(path, O_CREAT | O_RDWR),
  mknod: (client, path) => client.mknod(path, S_IFIFO | 0o600),
  mkdir: (client, path) => client.mkdir(path),
  symlink: (client, path) => client.symlink("target", path),
  link: (client, path) => client.link("/file", path),
  remove: (client, path) => client.unlink(path),
  rmdir: (client, path) => client.rmdir(path),
  rename: (client, path) => client.rename(path, "/free"),
  readlink: (client, path) => client.readlink(path),
  readdir: (client, path) => client.readdir(path),
  open: (client, path) => client.open(path, O_RDWR),
  read: (client, path) => opened(client, path, (file) => file.read(10, 0)),
  write: (client, path) => opened(client, path, (file) => file.write(new Uint8Array(10), 0)),
  fsync: (client, path) => opened(client, path, (file) => file.sync()),
  fallocate: (client, path) => opened(client, path, (file) => file.allocate(0, 0, 10)),
  close: (client, path) => opened(client, path, async () => {}),
  getextattr: (client, path) => client.getxattr(path, IN_USER),
  setextattr: (client, path) => client.setxattr(path, IN_USER, new Uint8Array(1)),
  listextattr: (client, path) => client.listxattr(path),
  deleteextattr: (client, path) => client.removexattr(path, IN_USER),
  async statvfs(client, path) {
    await client.stat(path);
    await client.statvfs("/");
  },
};

/** Those that answer something. */
const ANSWERING = [
  ...["lookup", "getattr", "setattr", "create", "mknod", "mkdir", "symlink", "readlink"],
  ...["readdir", "read", "write", "getextattr", "listextattr", "statvfs"],
];

type Opened = Awaited<ReturnType<PosixClient["open"]>>;

/** Do it, then close: the failure is that of whichever fails. */
async function opened(client: PosixClient, path: string, act: (file: Opened) => Promise<unknown>) {
  const file = await client.open(path, O_RDWR);
  await act(file).finally(() => file.close());
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "fine",
    ({ code }) => code,
  );

function count(text: string, part: string | RegExp): number {
  return text.split(part).length - 1;
}

mounting("wrong answers on a mount", () => {
  describe("what a plugin does wrong is EIO with one logged report, and the mount lives", () => {
    const all = Object.keys(OPERATIONS);
    const reports = () => count(mount.output(), "the plugin failed, answered EIO");
    let mount: Mounted;
    let expected = 0;

    beforeAll(async () => {
      mount = await mounted(FAULTY, { options: "allow_other,lazy" });
    }, MINUTE);
    afterAll(() => mount?.close(), MINUTE);

    test.each([
      ["throws", all, /a bug of faulty\n +at /],
      ["rejects", all, /a late bug of faulty\n +at /],
      ["throws-text", all, "EACCES"],
      ["throws-undefined", all, undefined],
      ["rejects-null", all, undefined],
      ["nonsense", ANSWERING, /Nonsense: (?:.|\n)*?\n +at /],
      ["nonsense-later", ANSWERING, /Nonsense: (?:.|\n)*?\n +at /],
    ] as const)(
      "%s",
      async (manner, operations, stack) => {
        const before = mount.output().length;
        const codes: Record<string, string> = {};
        for (const operation of operations) {
          const act = OPERATIONS[operation] as (typeof OPERATIONS)[string];
          codes[operation] = await codeOf(act(mount.client, `/${operation}.${manner}`));
        }
        expect(codes).toEqual(Object.fromEntries(operations.map((name) => [name, "EIO"])));
        expected += operations.length;
        await until(() => reports() >= expected, "the reports");
        if (stack) expect(count(mount.output().slice(before), stack)).toBe(operations.length);
        expect((await mount.client.stat("/file")).size).toBe(4096);
        expect(reports()).toBe(expected);
      },
      MINUTE,
    );
  });

  test(
    "an operation past its deadline is ETIMEDOUT with one line, and the mount lives",
    async () => {
      await using mount = await mounted(FAULTY, { options: "allow_other,lazy,deadline=0.05" });
      const operations = Object.keys(OPERATIONS);
      const codes: Record<string, string> = {};
      for (const operation of operations) {
        const act = OPERATIONS[operation] as (typeof OPERATIONS)[string];
        codes[operation] = await codeOf(act(mount.client, `/${operation}.never`));
      }
      expect(codes).toEqual(Object.fromEntries(operations.map((name) => [name, "ETIMEDOUT"])));
      const lines = () => count(mount.output(), / took longer than 50 ms: answered ETIMEDOUT\n/);
      await until(() => lines() >= operations.length, "the log");
      expect((await mount.client.stat("/file")).size).toBe(4096);
      expect(lines()).toBe(operations.length);
      // It would give what is still at work a moment.
      mount.server.kill("SIGKILL");
    },
    MINUTE,
  );

  describe("without a deadline", () => {
    let folder = "";
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "puffs-told-"));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    /** A mount, and what its plugin has told. */
    async function telling(name: string, options = "") {
      const file = join(folder, name);
      const mount = await mounted(FAULTY, { options: `allow_other${options}`, special: file });
      const told = () => {
        try {
          return readFileSync(file, "utf8");
        } catch {
          return "";
        }
      };
      return Object.assign(mount, { told });
    }

    /** Clients that sit in a system call. */
    const stuck = ({ directory }: Mounted, operation: string): ChildProcess => {
      const path = join(directory, `${operation}.never`);
      const command: Record<string, readonly string[]> = {
        lookup: ["stat", path],
        read: ["cat", path],
        write: ["cp", FAULTY, path],
        readdir: ["ls", path],
        remove: ["rm", path],
      };
      const [program = "", ...args] = command[operation] ?? [];
      return spawn(program, args, { stdio: "ignore" });
    };

    test(
      "the clients of operations that never end can be killed, by Ctrl-C too",
      async () => {
        await using mount = await telling("kill");
        const asked = (name: string) => count(mount.told(), `never ${name}\n`);
        for (const signal of ["SIGINT", "SIGKILL"] as const) {
          // A removal has the directory locked, which the others need.
          for (const operations of [["read", "write", "readdir", "lookup"], ["remove"]]) {
            const before = operations.map(asked);
            const clients = operations.map((name) => stuck(mount, name));
            const all = () => operations.every((name, i) => asked(name) > (before[i] ?? 0));
            await until(all, `the start of ${operations}`);
            for (const client of clients) client.kill(signal);
            expect(await Promise.all(clients.map(exited))).toEqual(clients.map(() => signal));
            expect((await mount.client.stat("/file")).size).toBe(4096);
          }
        }
        mount.server.kill("SIGKILL");
      },
      MINUTE,
    );

    test(
      "an interrupted operation that gives up is its own to answer",
      async () => {
        await using mount = await telling("patient");
        const client = spawn("cat", [join(mount.directory, "read.patient")], { stdio: "ignore" });
        await until(() => mount.told().includes("began read"), "the read");
        client.kill("SIGINT");
        expect(await exited(client)).toBe("SIGINT");
        await until(() => mount.told().includes("gives up read"), "the end of the read");
        expect(mount.told()).toBe("began read\ngives up read\n");
      },
      MINUTE,
    );

    test.each([
      ["SIGTERM ends the server after the grace time", 0.2, 1],
      ["a second SIGTERM at once", 1000, 2],
    ])(
      "%s, whoever is stuck",
      async (_, grace, signals) => {
        await using mount = await telling(`grace-${grace}`, `,grace=${grace}`);
        await mount.client.close();
        const clients = ["lookup", "read", "readdir"].map((name) => stuck(mount, name));
        await until(() => count(mount.told(), "never ") === clients.length, "the operations");
        mount.server.kill("SIGTERM");
        if (signals > 1) {
          await until(() => mount.output().includes("SIGTERM: unmounting"), "the first signal");
          mount.server.kill("SIGTERM");
        }
        // cat, stat and ls say what went wrong, and end with a code of their own.
        for (const client of clients) expect<unknown[]>([1, 2]).toContain(await exited(client));
        expect(await exited(mount.server)).toBe(0);
        expect(count(mount.output(), "did not end: answered EIO")).toBe(clients.length);
        expect(mount.told().endsWith("unmount\n")).toBe(true);
        expect(count(mount.told(), /^unmount$/m)).toBe(1);
      },
      MINUTE,
    );
  });
});
