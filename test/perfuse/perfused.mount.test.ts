import { expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { closeDescriptor, receive, send, waitReadable } from "../../ffi/device.ts";
import { connectSeqpacket } from "../../ffi/seqpacket.ts";
import { encodeMountFrame } from "../../src/perfuse/mount-frame.ts";
import { isMounted, mounting, until } from "../support/mounted.ts";
import { type PosixClient, posixClient } from "../support/posix-client.ts";
import { PROGRAM, place, processesOf, run } from "../support/program.ts";
import { refusal } from "../support/wire.ts";
import { daemon, mountedBy, perfused, type Running } from "./programs.ts";

/*
 * A daemon in TypeScript asks perfused for a mount over its socket; others use the mount.
 */

const MINUTE = 60_000;
const NOBODY = 65534;

/** Where all of a test's things are: the socket of its perfused, the directories to mount on. */
async function stage() {
  const at = place();
  chmodSync(at.directory, 0o755);
  const path = (name: string) => join(at.directory, name);
  const mnt = path("mnt");
  await mkdir(mnt);
  const socket = path("sock");
  return {
    path,
    mnt,
    socket,
    env: { PERFUSED_SOCKET: socket },
    trace: `/var/run/perfused${mnt.replaceAll("/", "-")}.trace`,
    nothingLeft: () => until(() => !isMounted(mnt) && processesOf(mnt).length === 0, "the end"),
    async [Symbol.asyncDispose]() {
      while (isMounted(mnt)) {
        const { code } = await run(["umount", "--lazy", mnt]);
        if (code !== 0) break;
      }
      rmSync(`/var/run/perfused${mnt.replaceAll("/", "-")}.trace`, { force: true });
      await at[Symbol.asyncDispose]();
    },
  };
}

/** perfused in the foreground, listening. */
async function listening(socket: string, args: readonly string[] = [], env = {}): Promise<Running> {
  const program = perfused(["-f", "-p", socket, ...args], env);
  await until(() => existsSync(socket), `perfused: ${program.output()}`);
  return program;
}

async function withClient<T>(directory: string, use: (client: PosixClient) => Promise<T>) {
  const client = posixClient(directory);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

function mountLine(directory: string): string | undefined {
  const lines = readFileSync("/proc/mounts", "utf8").split("\n");
  return lines.find((line) => line.split(" ")[1] === directory);
}

function shell(script: string, env: Record<string, string>) {
  return run(["timeout", "20", "sh", "-c", script], { env });
}

mounting("perfused", () => {
  test(
    "a daemon is mounted and used, its trace written, and unmounting ends it",
    async () => {
      await using at = await stage();
      await using server = await listening(at.socket);
      await using memfs = daemon(at.mnt, at.env);
      await mountedBy(memfs, at.mnt);
      expect(mountLine(at.mnt)).toStartWith(`memory ${at.mnt} fuse.memfs rw,nosuid,nodev,`);
      server.child.kill("SIGUSR1");
      await server.said("trace enabled");

      const used = await shell(
        `cd $D && mkdir dir && echo hello > dir/file && mv dir/file there && cat there && ls && ln -s there link &&
         cat link && dd if=/dev/zero of=big bs=1M count=5 2>/dev/null && wc -c < big && rm big && rmdir dir && stat -f -c %l .`,
        { D: at.mnt },
      );
      expect(used).toEqual({
        code: 0,
        stdout: "hello\ndir\nthere\nhello\n5242880\n255\n",
        stderr: "",
      });

      server.child.kill("SIGUSR1");
      await server.said("trace dumped, trace disabled");
      const trace = readFileSync(at.trace, "utf8");
      const [first = "", ...lines] = trace.split("\n");
      const count = Number(/^Last (\d+) operations$/.exec(first)?.[1]);
      const operations = lines.slice(0, lines.indexOf(""));
      expect(operations.length).toBe(count);
      expect(count).toBeGreaterThan(20);
      for (const line of operations)
        expect(line).toMatch(
          /^\d+\.\d{9} [A-Z]+ ".*" (path = ".*" )?error = \d+ elapsed = \d+\.\d{9} $/,
        );
      const names = operations.map((line) => line.split(" ")[1]);
      for (const name of ["LOOKUP", "MKDIR", "WRITE", "RENAME", "SYMLINK", "UNLINK", "RMDIR"])
        expect(names).toContain(name);
      expect(trace).toMatch(/^LOOKUP\t[1-9]\d*\t\d+\.\d{9}\t\d+\.\d{9}\t\d+\.\d{9}\t$/m);
      expect(trace).toMatch(
        /\n\n\nGlobal statistics\nNodes: \d+\nExchanges: 0\nNodes possibly leaked: 0\n$/,
      );

      expect((await run(["umount", at.mnt])).code).toBe(0);
      expect(await memfs.ended).toBe(0);
      expect(memfs.output()).toBe("asked\nsettled\ndestroyed\nend\n");
      await at.nothingLeft();
      expect(server.output()).not.toContain("perfused: ");
      server.child.kill("SIGTERM");
      expect(await server.ended).toBe(0);
      expect(existsSync(at.socket)).toBeFalse();
    },
    MINUTE,
  );

  test(
    "when the daemon dies its mount goes, and the next daemon is served",
    async () => {
      await using at = await stage();
      await using server = await listening(at.socket);
      {
        await using memfs = daemon(at.mnt, at.env);
        await mountedBy(memfs, at.mnt);
        await withClient(at.mnt, async (client) => {
          await client.mkdir("/x");
          memfs.child.kill("SIGKILL");
          await until(() => !isMounted(at.mnt), "the end of the mount");
        });
      }
      await at.nothingLeft();
      expect(server.output()).toContain(`${at.mnt}: the daemon has gone; unmounting`);
      await using next = daemon(at.mnt, at.env);
      await mountedBy(next, at.mnt);
      await withClient(at.mnt, async (client) => {
        await expect(client.stat("/x")).rejects.toMatchObject({ code: "ENOENT" });
      });
      server.child.kill("SIGTERM");
      expect(await server.ended).toBe(0);
      expect(await next.ended).toBe(0);
      expect(next.output()).toContain("destroyed\nend\n");
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "when the serving process is killed the mount goes, and the daemon reads the end",
    async () => {
      await using at = await stage();
      await using _server = await listening(at.socket);
      await using memfs = daemon(at.mnt, at.env);
      await mountedBy(memfs, at.mnt);
      const serving = processesOf(at.mnt).filter((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("\0--perfused\0"),
      );
      expect(serving.length).toBe(1);
      process.kill(serving[0] as number, "SIGKILL");
      expect(await memfs.ended).toBe(0);
      expect(memfs.output()).toBe("asked\nsettled\nend\n");
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "messages that are no mount frame cost a line each, and a daemon among them is served",
    async () => {
      await using at = await stage();
      await using server = await listening(at.socket);
      const hostile = [new Uint8Array(3), new Uint8Array(56), new Uint8Array(70_000)].map(
        (message) => {
          const fd = connectSeqpacket(at.socket);
          send(fd, message, message.length);
          return fd;
        },
      );
      await using memfs = daemon(at.mnt, at.env);
      await mountedBy(memfs, at.mnt);
      const lines = server.output().split("\n");
      expect(lines.filter((line) => line.startsWith("perfused: ")).length).toBe(3);
      for (const why of ["3 bytes are too short", "magic word", "70000 bytes are too long"])
        expect(server.output()).toContain(why);
      for (const fd of hostile) closeDescriptor(fd);
    },
    MINUTE,
  );

  test(
    "a target that cannot be mounted on: the daemon reads the end, perfused says why",
    async () => {
      await using at = await stage();
      await using server = await listening(at.socket);
      await using memfs = daemon(at.path("absent"), at.env);
      expect(await memfs.ended).toBe(0);
      expect(memfs.output()).toBe("asked\nend\n");
      await server.said("there is no such directory");
      await using own = daemon(at.path("absent"), { PERFUSED_SOCKET: at.path("nobody") });
      expect(await own.ended).toBe(0);
      expect(own.output()).toContain("there is no such directory");
      expect(server.child.exitCode).toBeNull();
    },
    MINUTE,
  );

  test(
    "a daemon that refuses INIT, and one that goes instead of answering it: nothing is mounted",
    async () => {
      await using at = await stage();
      await using server = await listening(at.socket);
      const frame = encodeMountFrame({ target: at.mnt, flags: 0 });
      for (const answers of [true, false]) {
        const fd = connectSeqpacket(at.socket);
        send(fd, frame, frame.length);
        await until(() => waitReadable(fd, 0), "INIT");
        const init = new Uint8Array(1024);
        expect(receive(fd, init)).toBeGreaterThanOrEqual(56);
        const view = new DataView(init.buffer);
        expect(view.getUint32(4, true)).toBe(26);
        expect(view.getUint32(40, true)).toBe(7);
        if (answers) {
          const no = refusal(view.getBigUint64(8, true), 71);
          send(fd, no, no.length);
          await until(() => waitReadable(fd, 0), "the end");
          expect(receive(fd, init)).toBeLessThanOrEqual(0);
        }
        closeDescriptor(fd);
        await at.nothingLeft();
      }
      const said = server
        .output()
        .split("\n")
        .filter((line) => line.startsWith("perfused: "));
      expect(said).toEqual([
        expect.stringContaining("did not start"),
        expect.stringContaining("did not start"),
      ]);
      expect(said[0]).toContain("EPROTO");
      expect(said[1]).toContain("ENOTCONN");
    },
    MINUTE,
  );

  test(
    "the mount flags are NetBSD's, and the data's words count",
    async () => {
      await using at = await stage();
      await using _server = await listening(at.socket);
      await using memfs = daemon(at.mnt, at.env, { flags: 0x1 | 0x4, data: "allow_other,x=y" });
      await mountedBy(memfs, at.mnt);
      expect(mountLine(at.mnt)).toMatch(/ ro,nosuid,nodev,noexec,.*allow_other/);
      await withClient(at.mnt, async (client) => {
        await expect(client.mkdir("/x")).rejects.toMatchObject({ code: "EROFS" });
        const user = client.as({ uid: NOBODY, gid: NOBODY, groups: [] });
        expect((await user.stat("/")).mode & 0o170000).toBe(0o040000);
      });
    },
    MINUTE,
  );

  test(
    "PERFUSE_OPTIONS reaches the serving process",
    async () => {
      await using at = await stage();
      const env = { PERFUSE_OPTIONS: "disable_creat,enable_access" };
      await using server = await listening(at.socket, ["-d", "fuse"], env);
      await using memfs = daemon(at.mnt, at.env);
      await mountedBy(memfs, at.mnt);
      await withClient(at.mnt, async (client) => {
        const file = await client.open("/new", 0o102, 0o644);
        await file.close();
        await client.access("/new", 4);
      });
      await server.said("opcode = MKNOD (8), error = 0");
      expect(server.output()).not.toContain("opcode = CREATE");
      expect(server.output()).toContain("opcode = ACCESS (34)");
    },
    MINUTE,
  );

  test(
    "with a small PERFUSE_BUFSIZE what is read and written goes in pieces that pass",
    async () => {
      await using at = await stage();
      const env = { PERFUSE_BUFSIZE: "0x10000" };
      await using server = await listening(at.socket, [], env);
      await using memfs = daemon(at.mnt, { ...at.env, ...env });
      await mountedBy(memfs, at.mnt);
      const copied = await shell(
        "head -c 2000000 /dev/urandom > $F && cp $F $D/file && cmp $F $D/file && echo same",
        { D: at.mnt, F: at.path("file") },
      );
      expect(copied).toEqual({ code: 0, stdout: "same\n", stderr: "" });
      expect((await run(["umount", at.mnt])).code).toBe(0);
      expect(await memfs.ended).toBe(0);
      // Nothing of a message that was too long.
      expect(memfs.output()).toBe("asked\nsettled\ndestroyed\nend\n");
      expect(server.output()).not.toContain("perfused: ");
    },
    MINUTE,
  );

  test(
    "a PERFUSE_BUFSIZE that no message passes is raised, with a line",
    async () => {
      await using at = await stage();
      const env = { PERFUSE_BUFSIZE: "100" };
      await using server = await listening(at.socket, [], env);
      await using memfs = daemon(at.mnt, { ...at.env, ...env });
      await mountedBy(memfs, at.mnt);
      const used = await shell(
        `cd $D && head -c 300000 /dev/zero > file && wc -c < file && for i in $(seq 300); do : > a-rather-long-name-$i; done && ls | wc -l &&
         setfattr -n user.x -v $(head -c 60000 /dev/zero | tr '\\0' x) file && getfattr --only-values -n user.x file | wc -c`,
        { D: at.mnt },
      );
      expect(used).toEqual({ code: 0, stdout: "300000\n301\n60000\n", stderr: "" });
      expect(server.output()).toContain("PERFUSE_BUFSIZE is 100, which");
    },
    MINUTE,
  );

  test(
    "a program that was compiled with the library has the perfused on PATH started for it",
    async () => {
      await using at = await stage();
      const program = at.path("compiled");
      const built = await run([
        ...[process.execPath, "build", "--compile", "--outfile", program],
        join(import.meta.dir, "daemon.ts"),
      ]);
      expect([built.code, built.stderr]).toEqual([0, expect.any(String)]);
      const bin = at.path("bin");
      await mkdir(bin);
      const [bun, cli] = PROGRAM;
      writeFileSync(
        join(bin, "perfused"),
        `#!/bin/sh\necho "started as perfused $*"\nexec ${bun} ${cli} --perfused "$@"\n`,
      );
      chmodSync(join(bin, "perfused"), 0o755);
      const script = `
        PATH=$B:$PATH "$P" "$D" '{"type":"memfs"}' & daemon=$!
        while kill -0 $daemon && ! grep -q " $D " /proc/mounts; do sleep 0.05; done
        echo own > $D/file && cat $D/file
        umount $D; wait $daemon; echo daemon $?`;
      const env = { P: program, D: at.mnt, B: bin, PERFUSED_SOCKET: at.path("nobody") };
      const { stdout, stderr } = await run(["timeout", "30", "bash", "-c", script], { env });
      expect(stderr).toBe("");
      expect(stdout.split("\n").sort()).toEqual([
        ...["", "asked", "daemon 0", "destroyed", "end", "own", "settled"],
        "started as perfused -i 3",
      ]);
      await at.nothingLeft();
      const none = ["timeout", "30", "env", "PATH=/nowhere", program, at.mnt];
      const alone = await run(none, { env });
      expect(alone.stderr).toContain("perfused: not found");
      expect(alone.stdout).not.toContain("settled");
    },
    2 * MINUTE,
  );

  test(
    "-s: nothing is said until SIGUSR2, and after the next one",
    async () => {
      await using at = await stage();
      await using server = await listening(at.socket, ["-s", "-d", "fuse"]);
      await using memfs = daemon(at.mnt, at.env);
      await mountedBy(memfs, at.mnt);
      await withClient(at.mnt, async (client) => {
        await client.mkdir("/one");
        server.child.kill("SIGUSR2");
        await server.said("debug enabled");
        await client.mkdir("/two");
        await server.said("opcode = MKDIR (9), error = 0");
        const before = server.output();
        expect(before.match(/> .* opcode = MKDIR/g)?.length).toBe(1);
        server.child.kill("SIGUSR2");
        await until(() => server.output().split("debug disabled").length === 3, "silence");
        const silent = server.output().length;
        await client.mkdir("/three");
        expect(server.output().length).toBe(silent);
      });
    },
    MINUTE,
  );

  test(
    "in the background: the command returns when perfused listens, and a signal ends it all",
    async () => {
      await using at = await stage();
      await using command = perfused(["-p", at.socket]);
      expect(await command.ended).toBe(0);
      expect(command.output()).toBe("");
      expect(existsSync(at.socket)).toBeTrue();
      const [server = -1, ...more] = processesOf(at.socket);
      expect(more).toEqual([]);
      await using memfs = daemon(at.mnt, at.env);
      await mountedBy(memfs, at.mnt);
      process.kill(server, "SIGTERM");
      expect(await memfs.ended).toBe(0);
      await at.nothingLeft();
      await until(() => processesOf(at.socket).length === 0, "the end of perfused");
    },
    MINUTE,
  );

  test(
    "without a perfused that listens the daemon starts one for itself, over a pair",
    async () => {
      await using at = await stage();
      await using memfs = daemon(at.mnt, { PERFUSED_SOCKET: at.path("nobody") });
      await mountedBy(memfs, at.mnt);
      const used = await shell(`echo own > $D/file && cat $D/file`, { D: at.mnt });
      expect(used.stdout).toBe("own\n");
      expect((await run(["umount", at.mnt])).code).toBe(0);
      expect(await memfs.ended).toBe(0);
      expect(memfs.output()).toBe("asked\nsettled\ndestroyed\nend\n");

      await using again = daemon(at.mnt, { PERFUSED_SOCKET: at.path("nobody") });
      await mountedBy(again, at.mnt);
      again.child.kill("SIGKILL");
      await until(() => !isMounted(at.mnt), "the end of the mount");
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "an ordinary user may mount on a directory of their own and on no other, and is served without root's rights",
    async () => {
      await using at = await stage();
      const mine = at.path("mine");
      await mkdir(mine);
      chownSync(mine, NOBODY, NOBODY);
      // In a mount namespace of its own, where users may open /dev/fuse whatever the machine says.
      const script = `
        mount -t tmpfs none /run && mknod /run/fuse c 10 229 && chmod 666 /run/fuse && mount --bind /run/fuse /dev/fuse
        export PERFUSED_SOCKET=$S
        bash -c 'exec -a perfused "$0" "$@"' "$B" "$P" -f & server=$!
        while ! [ -S $S ]; do sleep 0.05; done
        U="setpriv --reuid ${NOBODY} --regid ${NOBODY} --groups ${NOBODY},777"
        $U "$B" "$T" $D
        $U "$B" "$T" $M '{"type":"memfs","data":"suid,dev"}' & daemon=$!
        while ! grep -q " $M " /proc/mounts; do sleep 0.05; done
        grep " $M " /proc/mounts
        $U timeout 10 sh -c "echo text > $M/file; cat $M/file"
        timeout 10 ls $M 2>/dev/null || echo not even root
        serving=$(pgrep -P $server)
        grep -E 'Uid|Groups|CapEff' /proc/$serving/status
        kill -USR1 $server; sleep 0.3; kill -USR1 $server; sleep 0.3
        stat -c '%u %a' /tmp/perfused$(echo $M | tr / -).trace; rm /tmp/perfused$(echo $M | tr / -).trace
        $U fusermount3 -u $M
        wait $daemon; echo daemon $?
        kill $server; wait $server; echo perfused $?`;
      const { stdout, stderr, code } = await run(
        ["timeout", "40", "unshare", "-m", "bash", "-c", script],
        {
          cwd: "/",
          env: {
            B: PROGRAM[0],
            P: PROGRAM[1],
            T: join(import.meta.dir, "daemon.ts"),
            S: at.socket,
            D: at.mnt,
            M: mine,
            XDG_RUNTIME_DIR: "",
          },
        },
      );
      const lines = stdout
        .split("\n")
        .filter((line) => !/^(process|mounted|trace|settled|asked)/.test(line));
      expect(stderr).toBe(
        `perfused: user ${NOBODY} may not mount on "${at.mnt}": it is user 0's\n`,
      );
      expect(lines).toEqual([
        "end",
        expect.stringMatching(
          new RegExp(`^/dev/fuse ${mine} fuse.memfs rw,nosuid,nodev,.*user_id=${NOBODY}`),
        ),
        "text",
        "not even root",
        `Uid:\t${NOBODY}\t${NOBODY}\t${NOBODY}\t${NOBODY}`,
        `Groups:\t777 ${NOBODY} `,
        "CapEff:\t0000000000000000",
        `${NOBODY} 600`,
        "destroyed",
        "end",
        "daemon 0",
        "perfused 0",
        "",
      ]);
      expect(code).toBe(0);
    },
    MINUTE,
  );
});
