import { expect } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { until } from "../../support/mounted.ts";
import { processesOf } from "../../support/program.ts";
import { folder, ROOT_ROUTE, readWrite, scratch, sh, through, withPrograms } from "./support.ts";

/*
 * Daemons as the distribution has them, each by the route that is picked for it and by the others that it can take. What a daemon serves
 * is looked at with the programs that made it.
 */

/** Bytes of what `seq 50000` prints. */
const SEQUENCE = 288_894;

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

withPrograms("squashfuse_ll", ["squashfuse_ll", "mksquashfs"], async () => {
  await using on = scratch();
  await on.sh("mkdir -p src/d && seq 100000 > src/d/file && mksquashfs src image -quiet -noappend");
  await through(on, ["squashfuse_ll", "-f", on.at("image"), "{}"], ROOT_ROUTE, async (m) => {
    await sh(m.directory, `cmp d/file "$1/d/file"`, on.at("src"));
    await expect(sh(m.directory, "mv d e")).rejects.toThrow();
  });
});

for (const route of ["auto", "seccomp"])
  withPrograms(
    `fuse-overlayfs, with messages of 128 KiB and more, route=${route}`,
    ["fuse-overlayfs"],
    async () => {
      await using on = scratch();
      await on.sh(
        "mkdir low up work && head -c 3000000 /dev/urandom > low/big && cksum < low/big > sum",
      );
      const layers = `lowerdir=${on.at("low")},upperdir=${on.at("up")},workdir=${on.at("work")}`;
      await through(
        on,
        ["fuse-overlayfs", "-f", "-o", layers, "{}"],
        `${ROOT_ROUTE},route=${route}`,
        async (m) => {
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
        },
      );
      expect(await on.sh("ls low")).toBe("big\n");
    },
  );

for (const route of ["auto", "fusermount", "seccomp"])
  withPrograms(
    `daemons that would be unmounted when they die, route=${route}`,
    ["squashfuse", "mksquashfs", "bindfs", "fusermount3"],
    async () => {
      await using on = scratch();
      await on.sh("mkdir src && echo hello > src/file && mksquashfs src image -quiet");
      const options = `${ROOT_ROUTE},route=${route}`;
      for (const command of [
        ["squashfuse", "-f", "-o", "auto_unmount", on.at("image"), "{}"],
        ["squashfuse", "-o", "auto_unmount", on.at("image"), "{}"],
        ["bindfs", "-f", "-o", "auto_unmount", on.at("src"), "{}"],
      ])
        await through(on, command, options, async (m) => {
          expect(await sh(m.directory, "cat file")).toBe("hello\n");
        });
    },
  );

for (const route of ["seccomp", "fusermount"])
  withPrograms(`bindfs as root, route=${route}`, ["bindfs"], async () => {
    await using on = scratch();
    folder(on.at("src"));
    const options = `${ROOT_ROUTE},route=${route}`;
    await through(on, ["bindfs", "-f", on.at("src"), "{}"], options, readWrite);
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(`fuse2fs on an image, route=${route}`, ["fuse2fs", "mke2fs", "e2fsck"], async () => {
    await using on = scratch();
    await on.sh("truncate -s 16M image && mke2fs -q -F -t ext4 image");
    await through(
      on,
      ["fuse2fs", "-f", on.at("image"), "{}"],
      `${ROOT_ROUTE},route=${route}`,
      async (m) => {
        await readWrite(m);
        await sh(
          m.directory,
          "mkdir kept && echo kept > kept/file && head -c 2000000 /dev/zero > zeros",
        );
      },
    );
    expect(await on.sh("e2fsck -fn image 2>/dev/null | tail -1")).toContain("image: ");
    expect(await on.sh("debugfs -R 'cat kept/file' image 2>/dev/null")).toBe("kept\n");
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(`archivemount, route=${route}`, ["archivemount", "tar"], async () => {
    await using on = scratch();
    await on.sh("mkdir src && echo packed > src/file && tar cf a.tar -C src file");
    await through(
      on,
      ["archivemount", "-f", on.at("a.tar"), "{}"],
      `${ROOT_ROUTE},route=${route}`,
      async (m) => {
        expect(await sh(m.directory, "cat file")).toBe("packed\n");
        await sh(m.directory, "seq 50000 > more && mv file moved && cat moved");
      },
    );
    expect(await on.sh("mkdir out && tar xf a.tar -C out && ls out && cat out/moved")).toBe(
      "more\nmoved\npacked\n",
    );
    await on.sh("seq 50000 | cmp - out/more");
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(`fuse-zip, route=${route}`, ["fuse-zip", "zip", "unzip"], async () => {
    await using on = scratch();
    await on.sh("mkdir src && seq 50000 > src/file && cd src && zip -q ../a.zip file");
    await through(
      on,
      ["fuse-zip", "-f", on.at("a.zip"), "{}"],
      `${ROOT_ROUTE},route=${route}`,
      async (m) => {
        await sh(m.directory, `cmp file "$1"`, on.at("src/file"));
        expect(
          await sh(
            m.directory,
            "mkdir d && cp file d/copy && mv file moved && cmp moved d/copy; ls",
          ),
        ).toBe("d\nmoved\n");
      },
    );
    expect(await on.sh("unzip -p a.zip d/copy | cmp - src/file && unzip -Z1 a.zip | sort")).toBe(
      "d/\nd/copy\nmoved\n",
    );
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(`encfs, route=${route}`, ["encfs"], async () => {
    await using on = scratch();
    folder(on.at("cipher"));
    const password = ["--standard", "--extpass=echo secret"];
    const command = ["encfs", "-f", ...password, on.at("cipher"), "{}"];
    await through(on, command, `${ROOT_ROUTE},route=${route}`, async (m) => {
      await readWrite(m);
      await sh(m.directory, "seq 100000 > name && mv name other");
      expect(await on.sh("ls cipher | grep -c other || true")).toBe("0\n");
    });
    await through(on, command, ROOT_ROUTE, async (m) => {
      expect(await sh(m.directory, "ls; seq 100000 | cmp - other")).toBe("other\n");
    });
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(`mergerfs of two directories, route=${route}`, ["mergerfs"], async () => {
    await using on = scratch();
    await on.sh("mkdir one two && echo 1 > one/a && echo 2 > two/b");
    const command = [
      "mergerfs",
      "-f",
      "-o",
      "category.create=ff",
      `${on.at("one")}:${on.at("two")}`,
    ];
    await through(on, [...command, "{}"], `${ROOT_ROUTE},route=${route}`, async (m) => {
      expect(await sh(m.directory, "ls; cat a b && mv b c && rm a && cat c && rm c")).toBe(
        "a\nb\n1\n2\n2\n",
      );
      await readWrite(m);
    });
    expect(await on.sh("ls one two")).toBe("one:\n\ntwo:\n");
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(`unionfs, copying on write, route=${route}`, ["unionfs"], async () => {
    await using on = scratch();
    await on.sh("mkdir top below && seq 50000 > below/file");
    const branches = `${on.at("top")}=RW:${on.at("below")}=RO`;
    await through(
      on,
      ["unionfs", "-f", "-o", "cow,hide_meta_files", branches, "{}"],
      `${ROOT_ROUTE},route=${route}`,
      async (m) => {
        await sh(
          m.directory,
          "seq 50000 | cmp - file && echo more >> file && tail -1 file && mv file f",
        );
        await sh(m.directory, "rm f");
        await readWrite(m);
      },
    );
    expect(await on.sh("seq 50000 | cmp - below/file; ls -A top")).toBe(".unionfs-fuse\n");
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(
    `exfat-fuse on an image, route=${route}`,
    ["mount.exfat-fuse", "mkfs.exfat", "fsck.exfat"],
    async () => {
      await using on = scratch();
      await on.sh("truncate -s 16M image && mkfs.exfat image");
      // It has no foreground but that of debugging; in the background it is served as well.
      const command = ["mount.exfat-fuse", on.at("image"), "{}"];
      await through(on, command, `${ROOT_ROUTE},route=${route}`, async (m) => {
        await readWrite(m);
        await sh(m.directory, "seq 100000 > kept && mv kept file");
      });
      expect(await on.sh("fsck.exfat -n image")).toContain("clean");
      await through(on, [...command], `${ROOT_ROUTE},route=${route}`, async (m) => {
        expect(await sh(m.directory, "ls; seq 100000 | cmp - file")).toBe("file\n");
      });
    },
  );

for (const route of ["seccomp", "fusermount"])
  withPrograms(`fuseiso, route=${route}`, ["fuseiso", "genisoimage"], async () => {
    await using on = scratch();
    await on.sh("mkdir -p src/d && seq 100000 > src/d/file && genisoimage -quiet -R -o image src");
    await through(
      on,
      ["fuseiso", "-n", on.at("image"), "{}", "-f"],
      `${ROOT_ROUTE},route=${route}`,
      async (m) => {
        expect(await sh(m.directory, `ls; cmp d/file "$1/d/file"`, on.at("src"))).toBe("d\n");
        await expect(sh(m.directory, "touch new")).rejects.toThrow();
      },
    );
  });

for (const route of ["auto", "fusermount", "seccomp"])
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
      const work =
        "cat file && mv file moved && seq 50000 > other && seq 50000 | cmp - other && ls";
      expect(await sh(m.directory, work)).toBe("remote\nmoved\nother\n");
      // It brings what was written to its remote in its own time.
      const size = () => statSync(on.at("src/other"), { throwIfNoEntry: false })?.size;
      await until(() => size() === SEQUENCE, "what was written");
    });
    expect(await on.sh("cat src/moved && seq 50000 | cmp - src/other && ls src")).toBe(
      "remote\nmoved\nother\n",
    );
  });

for (const route of ["seccomp", "fusermount"])
  withPrograms(`a daemon that is started again, route=${route}`, ["bindfs"], async () => {
    await using on = scratch();
    folder(on.at("src"));
    const command = ["bindfs", "-f", on.at("src"), "{}"];
    await through(on, command, `${ROOT_ROUTE},restart,route=${route}`, async (m) => {
      await sh(m.directory, "echo hello > file");
      for (const times of [1, 2]) {
        const [daemon] = processesOf(on.at("src")).filter((pid) => pid !== m.pid);
        process.kill(daemon as number, "SIGKILL");
        await until(() => m.output().split("serves").length > times, "the next daemon");
        expect(await sh(m.directory, "cat file; ls")).toBe("hello\nfile\n");
      }
    });
  });
