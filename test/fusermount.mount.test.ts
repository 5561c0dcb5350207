import { expect, test } from "bun:test";
import { chmodSync, chownSync } from "node:fs";
import { mounting } from "./support/mounted.ts";
import { PROGRAM, place, run } from "./support/program.ts";

const MINUTE = 60_000;
const NOBODY = 65534;

/**
 * Runs a script as an ordinary user, with "$P" the program and "$D" the directory: in a mount namespace of its own, where users
 * may open /dev/fuse whatever the machine says.
 */
async function asUser(directory: string, script: string) {
  const setup = `
    mount -t tmpfs none /run && mknod /run/fuse c 10 229 && chmod 666 /run/fuse &&
    mount --bind /run/fuse /dev/fuse &&
    exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups sh -c "$1"`;
  return run(
    [
      "unshare",
      "-m",
      "sh",
      "-c",
      setup,
      "sh",
      `P() { "${PROGRAM[0]}" "${PROGRAM[1]}" "$@"; }; ${script}`,
    ],
    {
      env: { D: directory, XDG_RUNTIME_DIR: "", HOME: "/nonexistent" },
      cwd: "/",
    },
  );
}

function ownPlace() {
  const at = place();
  chownSync(at.directory, NOBODY, NOBODY);
  chmodSync(at.directory, 0o755);
  return at;
}

if (Bun.which("fusermount3") === null) {
  test.skipIf(process.env.CI !== "true")(
    "mounting as an ordinary user: fusermount3 is missing",
    () => {
      throw new Error("fusermount3 is missing");
    },
  );
} else {
  mounting("mounting as an ordinary user", () => {
    test(
      "mounts, lists and unmounts through fusermount3",
      async () => {
        await using at = ownPlace();
        const { stdout, stderr } = await asUser(
          at.directory,
          `P mount -v hello -o 'text=mine,fsname=a\\,b' $D; cat $D/hello; grep " $D " /proc/mounts; P list; P umount $D; echo $?; ls $D`,
        );
        expect(stderr).toBe(
          `puffs: mounted on ${at.directory}; unmount it with: fusermount3 -u ${at.directory}\n`,
        );
        const [text, mount, , listed, code] = stdout.split("\n");
        expect(text).toBe("mine");
        expect(mount).toStartWith(`a,b ${at.directory} fuse.hello rw,nosuid,nodev,`);
        expect(listed).toStartWith(at.directory);
        expect(code).toBe("0");
        await at.nothingLeft();
      },
      MINUTE,
    );

    test(
      "the server's death is cleaned up through fusermount3",
      async () => {
        await using at = ownPlace();
        const { stdout } = await asUser(
          at.directory,
          `P mount hello $D; kill -9 $(P list --json | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p')
           while grep -q " $D " /proc/mounts; do sleep 0.1; done; echo gone`,
        );
        expect(stdout).toBe("gone\n");
        await at.nothingLeft();
      },
      MINUTE,
    );

    test.each([
      [
        "PATH=/nonexistent; P mount hello $D",
        /fusermount3 is missing.*install the package fuse3/,
        32,
      ],
      ["P mount hello -o suid $D", /option suid is for root only; leave it out/, 1],
      ["P mount hello -o dev $D", /option dev is for root only/, 1],
      ["P mount hello -o lazytime $D", /option lazytime is for root only/, 1],
      [
        "P mount hello /usr",
        /no write access to mountpoint \/usr; mount on a directory of your own/,
        32,
      ],
      ["P mount hello /proc/1/cwd", /may not be read \(E(ACCES|PERM)\)/, 32],
    ])(
      "%s is refused in one line",
      async (script, message, code) => {
        await using at = ownPlace();
        const outcome = await asUser(at.directory, script);
        expect(outcome.stderr.trimEnd()).toMatch(message);
        expect(outcome.stderr.trimEnd().split("\n")).toHaveLength(1);
        expect(outcome.code).toBe(code);
        await at.nothingLeft();
      },
      MINUTE,
    );
  });
}
