import { expect } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { type Mounted, until } from "../../support/mounted.ts";
import { run } from "../../support/program.ts";
import { folder, hosted, nobodyLeft, type Scratch, scratch, sh, withPrograms } from "./support.ts";

/*
 * Daemons as the distribution has them, each by the route that is picked for it and by the others that it can take. What a daemon serves
 * is looked at with the programs that made it.
 */

const ROOT_ROUTE = "allow_other";

/** A mounted daemon, looked at, and gone without a trace. */
async function through(
  on: Scratch,
  command: readonly string[],
  options: string,
  look: (mount: Mounted) => Promise<void>,
): Promise<void> {
  const mount = await hosted(command, { options, cwd: on.path });
  try {
    await look(mount);
  } finally {
    await mount.close();
  }
  await nobodyLeft(on.path);
  expect(mount.server.exitCode).toBe(0);
}

/** Everything a file system that can be written to is asked in passing. */
async function readWrite({ directory }: Mounted): Promise<void> {
  const said = await sh(
    directory,
    `mkdir d && echo one > d/a && cp d/a d/b && mv d/b d/c && cat d/a d/c && echo two >> d/a && cat d/a
     head -c 300000 /dev/urandom > big && cksum < big > sum && cp big again && cksum < again | cmp - sum
     truncate -s 1000 big && stat -c %s big && rm again big sum && ls d && rm -r d && ls -A`,
  );
  expect(said.replace("lost+found\n", "")).toBe("one\none\none\ntwo\n1000\na\nc\n");
}

for (const route of ["auto", "fusermount", "seccomp"])
  withPrograms(`squashfuse, route=${route}`, ["squashfuse", "mksquashfs"], async () => {
    await using on = scratch();
    await on.sh(
      "mkdir src && echo hello > src/file && ln -s file src/link && mksquashfs src image -quiet",
    );
    await through(
      on,
      ["squashfuse", "-f", on.at("image"), "{}"],
      `${ROOT_ROUTE},route=${route}`,
      async (m) => {
        expect(await sh(m.directory, "cat link; ls; readlink link")).toBe(
          "hello\nfile\nlink\nfile\n",
        );
        await expect(sh(m.directory, "touch new")).rejects.toThrow();
      },
    );
  });

withPrograms("fuse-overlayfs, with messages of 128 KiB and more", ["fuse-overlayfs"], async () => {
  await using on = scratch();
  await on.sh(
    "mkdir low up work && head -c 3000000 /dev/urandom > low/big && cksum < low/big > sum",
  );
  const layers = `lowerdir=${on.at("low")},upperdir=${on.at("up")},workdir=${on.at("work")}`;
  await through(on, ["fuse-overlayfs", "-f", "-o", layers, "{}"], ROOT_ROUTE, async (m) => {
    expect(await sh(m.directory, `cksum < big | cmp - "$1" && echo same`, on.at("sum"))).toBe(
      "same\n",
    );
    // Several at once: pieces of replies would be mixed up.
    await Promise.all(
      Array.from({ length: 4 }, () =>
        sh(
          m.directory,
          `dd if=big bs=1M iflag=direct status=none | cksum | cmp - "$1"`,
          on.at("sum"),
        ),
      ),
    );
    await sh(m.directory, "rm big");
    await readWrite(m);
  });
  expect(await on.sh("ls low")).toBe("big\n");
});

for (const route of ["seccomp", "fusermount"])
  withPrograms(`bindfs as root, route=${route}`, ["bindfs"], async () => {
    await using on = scratch();
    folder(on.at("src"));
    const options = `${ROOT_ROUTE},route=${route}`;
    await through(on, ["bindfs", "-f", on.at("src"), "{}"], options, readWrite);
  });

withPrograms("fuse2fs on an image", ["fuse2fs", "mke2fs", "e2fsck"], async () => {
  await using on = scratch();
  await on.sh("truncate -s 16M image && mke2fs -q -F -t ext4 image");
  await through(on, ["fuse2fs", "-f", on.at("image"), "{}"], ROOT_ROUTE, async (m) => {
    await readWrite(m);
    await sh(
      m.directory,
      "mkdir kept && echo kept > kept/file && head -c 2000000 /dev/zero > zeros",
    );
  });
  expect(await on.sh("e2fsck -fn image 2>/dev/null | tail -1")).toContain("image: ");
  expect(await on.sh("debugfs -R 'cat kept/file' image 2>/dev/null")).toBe("kept\n");
});

withPrograms("archivemount", ["archivemount", "tar"], async () => {
  await using on = scratch();
  await on.sh("mkdir src && echo packed > src/file && tar cf a.tar -C src file");
  await through(on, ["archivemount", "-f", on.at("a.tar"), "{}"], ROOT_ROUTE, async (m) => {
    expect(await sh(m.directory, "cat file")).toBe("packed\n");
    await sh(m.directory, "echo added > more");
  });
  expect(await on.sh("tar xOf a.tar ./more 2>/dev/null || tar xOf a.tar more")).toBe("added\n");
});

for (const route of ["auto", "fusermount"])
  withPrograms(`gocryptfs, route=${route}`, ["gocryptfs"], async () => {
    await using on = scratch();
    writeFileSync(on.at("password"), "secret\n");
    await on.sh("mkdir cipher && gocryptfs -q -init -scryptn 10 -passfile password cipher");
    const command = ["gocryptfs", "-fg", "-q", "-nosyslog", "-passfile", on.at("password")];
    // It looks whether the directory is empty, and ours holds what go-fuse looks for.
    const where = [...(route === "auto" ? [] : ["-nonempty"]), on.at("cipher"), "{}"];
    await through(on, [...command, ...where], `${ROOT_ROUTE},route=${route}`, async (m) => {
      await readWrite(m);
      await sh(m.directory, "echo plain > name");
    });
    expect(await on.sh("ls cipher | grep -c name || true")).toBe("0\n");
  });

withPrograms("ntfs-3g on an image", ["ntfs-3g", "mkntfs"], async () => {
  await using on = scratch();
  await on.sh("truncate -s 16M image && mkntfs -F -Q -q image >/dev/null 2>&1");
  const command = ["ntfs-3g", "-o", "no_detach", on.at("image"), "{}"];
  await through(on, command, ROOT_ROUTE, async (m) => {
    await readWrite(m);
    await sh(m.directory, "echo kept > file");
  });
  expect(await on.sh("ntfscat -f image file")).toBe("kept\n");
});

for (const verb of ["mount", "mount2"])
  withPrograms(`rclone ${verb} of a local directory`, ["rclone"], async () => {
    await using on = scratch();
    folder(on.at("src"));
    writeFileSync(on.at("src/file"), "remote\n");
    const command = [
      "rclone",
      verb,
      "--vfs-cache-mode=writes",
      "--vfs-write-back=0s",
      on.at("src"),
      "{}",
    ];
    const options = `${ROOT_ROUTE},restart`;
    await through(on, command, options, async (m) => {
      expect(await sh(m.directory, "cat file && echo new > other && cat other")).toBe(
        "remote\nnew\n",
      );
      // It brings what was written to its remote in its own time.
      await until(() => existsSync(on.at("src/other")), "what was written");
    });
    expect(await on.sh("cat src/other")).toBe("new\n");
  });

withPrograms("a daemon of pyfuse3", ["/usr/bin/python3"], async () => {
  await using on = scratch();
  writeFileSync(on.at("hello.py"), PYFUSE3);
  const command = ["/usr/bin/python3", on.at("hello.py"), "{}"];
  await through(on, command, ROOT_ROUTE, async (m) => {
    expect(await sh(m.directory, "ls -1; cat hello")).toBe("hello\nhello\n");
    expect((await run(["cat", `${m.directory}/none`])).stderr).toContain("No such file");
  });
});

const PYFUSE3 = `
import errno, stat, sys
import pyfuse3, trio

class Hello(pyfuse3.Operations):
    async def getattr(self, inode, ctx=None):
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        entry.st_size = 0 if inode == 1 else 6
        return entry
    async def lookup(self, parent, name, ctx=None):
        if name != b"hello":
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(2)
    async def opendir(self, inode, ctx):
        return inode
    async def readdir(self, handle, start, token):
        if start == 0:
            pyfuse3.readdir_reply(token, b"hello", await self.getattr(2), 1)
    async def open(self, inode, flags, ctx):
        return pyfuse3.FileInfo(fh=inode)
    async def read(self, handle, offset, size):
        return b"hello\\n"[offset:offset + size]

pyfuse3.init(Hello(), sys.argv[1], set(pyfuse3.default_options))
try:
    trio.run(pyfuse3.main)
finally:
    pyfuse3.close(unmount=False)
`;
