import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { isMounted, until } from "../../support/mounted.ts";
import { calledAs, place, run } from "../../support/program.ts";
import { example, unlimited, withExamples } from "./examples.ts";
import { folder, hosted, nobodyLeft, readWrite, scratch, sh } from "./support.ts";
import { writer } from "./writer.ts";

/*
 * libfuse's own examples, and what is asked of any daemon: a deadline, an end, a beginning anew.
 */

const MINUTE = 60_000;

withExamples("libfuse's examples", () => {
  test(
    "hello_ll",
    async () => {
      await using on = scratch();
      const mount = await hosted([await example("hello_ll", on.at("hello_ll")), "-f", "{}"]);
      try {
        expect(await sh(mount.directory, "ls; cat hello")).toBe("hello\nHello World!\n");
      } finally {
        await mount.close();
      }
      await nobodyLeft(on.path);
    },
    MINUTE,
  );

  test(
    "hello_ll with clone_fd, which no socket has: it goes on without, by every route",
    async () => {
      await using on = scratch();
      const program = await example("hello_ll", on.at("hello_ll"));
      for (const route of ["fd", "fusermount", "seccomp"]) {
        const options = `allow_other,route=${route}`;
        const mount = await hosted([program, "-f", "-o", "clone_fd", "{}"], { options });
        try {
          const said = await Promise.all([1, 2, 3, 4].map(() => sh(mount.directory, "cat hello")));
          expect(said).toEqual(Array(4).fill("Hello World!\n"));
          expect(mount.output()).toContain("trying to continue without -o clone_fd");
        } finally {
          await mount.close();
        }
        await nobodyLeft(on.path);
      }
    },
    MINUTE,
  );

  test(
    "passthrough_fh, which serves all of the machine",
    async () => {
      await using on = scratch();
      folder(on.at("below"));
      const program = await example("passthrough_fh", on.at("passthrough_fh"));
      const mount = await hosted([program, "-f", "{}"]);
      try {
        await readWrite({ directory: mount.directory + on.at("below") });
        await sh(mount.directory + on.at("below"), "seq 50000 > a && mv a b");
        expect(await on.sh("seq 50000 | cmp - below/b; ls below")).toBe("b\n");
      } finally {
        await mount.close();
      }
      await nobodyLeft(on.path);
    },
    MINUTE,
  );

  test(
    "passthrough_ll: 8 clients at once",
    async () => {
      await using on = scratch();
      folder(on.at("below"), 0o777);
      const program = await example("passthrough_ll", on.at("passthrough_ll"));
      const source = `source=${on.at("below")}`;
      const mount = await hosted(unlimited(program, "-f", "-o", source, "{}"));
      try {
        const work = `mkdir $1 && cd $1 && for i in $(seq 40); do
            seq $1 3000 > f$i && cp f$i g$i && cmp f$i g$i && mv g$i h$i && rm f$i; done; ls | wc -l`;
        const said = await Promise.all(
          Array.from({ length: 8 }, (_, i) => sh(mount.directory, work, String(i + 1))),
        );
        expect(said).toEqual(Array(8).fill("40\n"));
      } finally {
        await mount.close();
      }
      await nobodyLeft(on.path);
    },
    MINUTE,
  );

  test(
    "fio finds what it wrote, in parallel",
    async () => {
      await using on = scratch();
      folder(on.at("below"), 0o777);
      const program = await example("passthrough_ll", on.at("passthrough_ll"));
      const source = `source=${on.at("below")}`;
      const mount = await hosted(unlimited(program, "-f", "-o", source, "{}"));
      try {
        const { code, stdout, stderr } = await run([
          ...["fio", "--name=verify", `--directory=${mount.directory}`, "--size=8m", "--bs=16k"],
          ...["--rw=randwrite", "--verify=crc32c", "--numjobs=4", "--ioengine=psync"],
          ...["--output-format=terse", "--fallocate=none", "--verify_state_save=0"],
        ]);
        expect({ code, said: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, said: "" });
      } finally {
        await mount.close();
      }
    },
    MINUTE,
  );

  for (const options of ["allow_other", "allow_other,writeback"])
    test(
      `a full disk below is told to who writes, at fsync(2) at the latest (${options})`,
      async () => {
        await using on = scratch();
        const tmpfs = folder(on.at("tmpfs"));
        await on.sh(`mount -t tmpfs -o size=1m none "$1"`, tmpfs);
        try {
          const program = await example("passthrough_ll", on.at("passthrough_ll"));
          const mount = await hosted([program, "-f", "-o", `source=${tmpfs}`, "{}"], { options });
          try {
            const write = ["dd", "if=/dev/zero", `of=${mount.directory}/file`, "bs=64k"];
            const { code, stderr } = await run([...write, "count=64", "conv=fsync"]);
            expect(code).not.toBe(0);
            expect(stderr).toContain("No space left on device");
          } finally {
            await mount.close();
          }
        } finally {
          await run(["umount", "--lazy", tmpfs]);
        }
      },
      MINUTE,
    );

  for (const options of ["allow_other", "allow_other,writeback", "allow_other,restart"])
    test(
      `a daemon's death between write(2) and fsync(2) or close(2) is told to who wrote (${options})`,
      async () => {
        await using on = scratch();
        folder(on.at("below"), 0o777);
        const program = await example("passthrough_ll", on.at("passthrough_ll"));
        const source = `source=${on.at("below")}`;
        const mount = await hosted([program, "-f", "-o", source, "{}"], { options });
        try {
          await using syncs = await writer(`${mount.directory}/a`, ["fsync", "close"]);
          await using closes = await writer(`${mount.directory}/b`, ["close"]);
          await using writes = await writer(`${mount.directory}/c`, ["write", "close"]);
          process.kill(await pidOf(program), "SIGKILL");
          const sign = options.includes("restart") ? "serves" : "is unmounted";
          await until(() => mount.output().includes(sign), sign);
          const [synced] = await syncs.end();
          const [closed] = await closes.end();
          const written = await writes.end();
          const errors = ["ENOTCONN", "ESTALE", "EIO"];
          expect(errors).toContain(synced as string);
          expect(errors).toContain(closed as string);
          expect(errors).toContain(written.at(-1) as string);
          // Only the kernel's own cache takes a write without the daemon.
          if (!options.includes("writeback")) expect(errors).toContain(written[0] as string);
        } finally {
          await mount.close();
        }
        await nobodyLeft(on.path);
      },
      MINUTE,
    );

  test(
    "a daemon that stands still gives ETIMEDOUT, and goes on when it does",
    async () => {
      await using on = scratch();
      const program = await example("hello_ll", on.at("hello_ll"));
      const options = "allow_other,deadline=0.5,attr_timeout=0,entry_timeout=0";
      const mount = await hosted([program, "-f", "{}"], { options });
      try {
        const pid = await pidOf(program);
        process.kill(pid, "SIGSTOP");
        expect((await run(["stat", `${mount.directory}/other`])).stderr).toContain("timed out");
        process.kill(pid, "SIGCONT");
        expect(await sh(mount.directory, "cat hello")).toBe("Hello World!\n");
      } finally {
        await mount.close();
      }
      await nobodyLeft(on.path);
    },
    MINUTE,
  );

  test(
    "one that stands still is ended with the mount",
    async () => {
      await using on = scratch();
      const program = await example("hello_ll", on.at("hello_ll"));
      const options = "allow_other,grace=0.5";
      const mount = await hosted([program, "-f", "{}"], { options });
      try {
        await mount.client.close();
        process.kill(await pidOf(program), "SIGSTOP");
        mount.server.kill("SIGTERM");
        await until(() => mount.server.exitCode !== null, "the server's end");
        await nobodyLeft(on.path);
      } finally {
        await mount.close();
      }
    },
    MINUTE,
  );

  test(
    "its death is the mount's, and is told",
    async () => {
      await using on = scratch();
      const program = await example("hello_ll", on.at("hello_ll"));
      const mount = await hosted([program, "-f", "{}"]);
      try {
        process.kill(await pidOf(program), "SIGKILL");
        await until(() => !isMounted(mount.directory), "the end of the mount");
      } finally {
        await mount.close();
      }
      const lines = mount.output().split("\n");
      expect(lines).toContain(
        `puffs: hello_ll has ended (SIGKILL); ${mount.directory} is unmounted`,
      );
    },
    MINUTE,
  );

  test(
    "with -o restart another takes over",
    async () => {
      await using on = scratch();
      folder(on.at("below"), 0o777);
      const program = await example("passthrough_ll", on.at("passthrough_ll"));
      const source = `source=${on.at("below")}`;
      const options = "allow_other,restart";
      const mount = await hosted([program, "-f", "-o", source, "{}"], { options });
      try {
        const { directory } = mount;
        await sh(directory, "mkdir d && echo kept > d/file && cat d/file");
        const before = await mount.client.open("/d/file", constants.O_RDWR, 0);
        process.kill(await pidOf(program), "SIGKILL");
        await until(() => mount.output().includes("serves"), "the next daemon");
        await expect(before.write(Uint8Array.of(88), 0)).rejects.toThrow("ESTALE");
        await before.close().catch(() => {});
        expect(await sh(directory, "cat d/file && echo new > d/other && ls d")).toBe(
          "kept\nfile\nother\n",
        );
      } finally {
        await mount.close();
      }
      expect(mount.server.exitCode).toBe(0);
      await nobodyLeft(on.path);
    },
    MINUTE,
  );

  test(
    "mount(8)'s helper takes the command in an option",
    async () => {
      await using on = scratch();
      await using at = place();
      const program = await example("hello_ll", on.at("hello_ll"));
      const options = ["-o", `rw,daemon=${program} -f  {},fsname=hello`];
      const helper = await calledAs("mount.perfuse", "none", at.directory, ...options);
      expect(helper).toEqual({ code: 0, stdout: "", stderr: "" });
      expect(await sh(at.directory, "cat hello")).toBe("Hello World!\n");
      expect((await run(["umount", at.directory])).code).toBe(0);
      await at.nothingLeft();
      await nobodyLeft(on.path);
    },
    MINUTE,
  );

  test(
    "nothing outlives a server that is killed",
    async () => {
      await using on = scratch();
      const program = await example("hello_ll", on.at("hello_ll"));
      const mount = await hosted([program, "-f", "{}"]);
      mount.server.kill("SIGKILL");
      await until(() => !isMounted(mount.directory), "the end of the mount");
      await nobodyLeft(on.path);
      await mount.close();
    },
    MINUTE,
  );

  test(
    "whoever reads from a daemon that dies is told at once",
    async () => {
      await using on = scratch();
      const program = await example("hello_ll", on.at("hello_ll"));
      const options = "allow_other,entry_timeout=0,attr_timeout=0";
      const mount = await hosted([program, "-f", "{}"], { options });
      try {
        const pid = await pidOf(program);
        process.kill(pid, "SIGSTOP");
        const waiting = Array.from({ length: 8 }, () => {
          const child = spawn("stat", [`${mount.directory}/hello`], { stdio: "ignore" });
          return new Promise<number | null>((resolve) => child.on("exit", resolve));
        });
        await Bun.sleep(200);
        process.kill(pid, "SIGKILL");
        expect(await Promise.all(waiting)).toEqual(Array(8).fill(1));
      } finally {
        await mount.close();
      }
    },
    MINUTE,
  );
});

/** The process of a program, which is nobody else's. */
async function pidOf(program: string): Promise<number> {
  const { stdout } = await run(["pgrep", "-x", "-f", `${program} -f.*`]);
  const pid = Number(stdout.trim());
  if (!(pid > 0)) throw new Error(`not one process: ${stdout}`);
  return pid;
}
