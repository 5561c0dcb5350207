import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { isMounted, until } from "../../support/mounted.ts";
import { processesOf, run } from "../../support/program.ts";
import { remote, SSHFS, sessionsOf } from "./sshd.ts";
import { hosted, nobodyLeft, scratch, sh, withPrograms } from "./support.ts";
import { writer } from "./writer.ts";

/*
 * sshfs to a server on this machine, with keys and a configuration of the test's own.
 */

withPrograms(
  "sshfs: files, a repository, 100 MB there and back",
  SSHFS,
  async () => {
    await using on = scratch();
    await using there = await remote(on);
    const mount = await hosted(there.command(true));
    try {
      const { directory } = mount;
      expect(
        await sh(
          directory,
          `echo one > a && mv a b && echo two >> b && cat b && mkdir d && mv b d/c && ls d
         ln -s d/c link && cat link && chmod 600 d/c && stat -c %a d/c && rm -r d link && ls -A`,
        ),
      ).toBe("one\ntwo\nc\none\ntwo\n600\n");

      await on.sh(`git init -q repo && cd repo && git config user.email a@b && git config user.name a
      for i in 1 2 3 4 5 6 7 8 9; do mkdir d$i; seq $i 4000 > d$i/f; done
      git add . && git commit -q -m all`);
      await sh(
        directory,
        `git clone -q "$1" clone && cd clone && git fsck && git status --short`,
        on.at("repo"),
      );
      await on.sh(`diff -r repo root/clone -x .git`);

      const work = `mkdir $1 && cd $1 && for i in 1 2 3 4 5; do
          seq $1 3000 > f$i && cp f$i g$i && cmp f$i g$i && mv g$i h$i && rm f$i; done; ls | wc -l`;
      const said = await Promise.all(
        Array.from({ length: 8 }, (_, i) => sh(directory, work, String(i + 1))),
      );
      expect(said).toEqual(Array(8).fill("5\n"));

      const fio = "fio --name=verify --size=4m --bs=16k --rw=randwrite --verify=crc32c --numjobs=4";
      await sh(directory, `${fio} --ioengine=psync --fallocate=none --output-format=terse`);

      await on.sh("head -c 100000000 /dev/urandom > big && cksum < big > sum");
      await sh(directory, `cp "$1" big`, on.at("big"));
      await on.sh("cksum < root/big | cmp - sum");
      // Past the page cache, from the daemon once more.
      await sh(
        directory,
        `dd if=big bs=1M iflag=direct status=none | cksum | cmp - "$1"`,
        on.at("sum"),
      );
    } finally {
      await mount.close();
    }
    await nobodyLeft(on.at("user"));
  },
  120,
);

withPrograms("sshfs in the background is ended too", SSHFS, async () => {
  await using on = scratch();
  await using there = await remote(on);
  const mount = await hosted(there.command(false));
  try {
    expect(await sh(mount.directory, "echo x > file; cat file")).toBe("x\n");
  } finally {
    await mount.close();
  }
  expect(processesOf(`root@127.0.0.1:${on.at("root")}`)).toEqual([]);
  expect(mount.server.exitCode).toBe(0);
});

withPrograms("sshd dies in the middle: who waits is told, and the mount goes", SSHFS, async () => {
  await using on = scratch();
  await using there = await remote(on);
  const mount = await hosted(there.command(true));
  try {
    const { directory } = mount;
    await sh(directory, "echo x > file");
    const writing = run(["dd", "if=/dev/zero", `of=${directory}/endless`, "bs=64k"]);
    await Bun.sleep(300);
    for (const pid of [...sessionsOf(there.server.pid as number), there.server.pid as number])
      process.kill(pid, "SIGKILL");
    const { code, stderr } = await writing;
    expect(code).not.toBe(0);
    expect(stderr).not.toBe("");
    await until(() => !isMounted(directory), "the end of the mount");
  } finally {
    await mount.close();
  }
  expect(mount.output()).toMatch(/sshfs has ended[^;]*; .* is unmounted/);
});

withPrograms(
  "sshfs' death between write(2) and fsync(2) or close(2) is told to who wrote",
  SSHFS,
  async () => {
    await using on = scratch();
    await using there = await remote(on);
    const mount = await hosted(there.command(true));
    try {
      await using syncs = await writer(`${mount.directory}/a`, ["fsync", "close"]);
      await using closes = await writer(`${mount.directory}/b`, ["close"]);
      const own = processesOf(`root@127.0.0.1:${on.at("root")}`);
      const daemon = own.find((pid) => /^([^\0]*\/)?sshfs\0/.test(commandOf(pid)));
      process.kill(daemon as number, "SIGKILL");
      await until(() => mount.output().includes("is unmounted"), "the end of the daemon");
      const errors = ["ENOTCONN", "EIO"];
      expect(errors).toContain((await syncs.end())[0] as string);
      expect(errors).toContain((await closes.end())[0] as string);
    } finally {
      await mount.close();
    }
    expect(mount.output()).toContain("sshfs has ended (SIGKILL)");
    expect(mount.server.exitCode).toBe(2);
  },
);

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1");
}
