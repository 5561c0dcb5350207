import { expect } from "bun:test";
import { chownSync } from "node:fs";
import { PROGRAM, place, run } from "../../support/program.ts";
import { folder, nobodyLeft, scratch, withPrograms } from "./support.ts";

const NOBODY = 65534;

/** Runs a script as an ordinary user, "$P" the program, where users may open /dev/fuse whatever the machine says. */
function asUser(script: string, env: Record<string, string>) {
  const setup = `
    mount -t tmpfs none /run && mknod /run/fuse c 10 229 && chmod 666 /run/fuse &&
    mount --bind /run/fuse /dev/fuse &&
    exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups sh -euc "$1"`;
  const program = `P() { "${PROGRAM[0]}" "${PROGRAM[1]}" "$@"; }; ${script}`;
  return run(["unshare", "-m", "sh", "-c", setup, "sh", program], {
    // The directory of the tests is root's.
    env: { ...env, TMPDIR: "/tmp", XDG_RUNTIME_DIR: "", HOME: "/nonexistent" },
    cwd: "/",
  });
}

for (const route of ["auto", "seccomp"])
  withPrograms(
    `bindfs of an ordinary user, route=${route}`,
    ["bindfs", "fusermount3"],
    async () => {
      await using on = scratch();
      await using at = place();
      const src = folder(on.at("src"));
      for (const path of [src, at.directory]) chownSync(path, NOBODY, NOBODY);
      const { code, stdout, stderr } = await asUser(
        `P mount perfuse -o route=${route} "$D" -- bindfs -f "$S" {}
       cd "$D"; echo hello > file; cat file; stat -c %u file; mkdir d; mv file d; ls d; cd /; P umount "$D"`,
        { D: at.directory, S: src },
      );
      expect({ code, stdout, stderr }).toEqual({
        code: 0,
        stdout: `hello\n${NOBODY}\nfile\n`,
        stderr: "",
      });
      expect(await on.sh("cat src/d/file")).toBe("hello\n");
      await at.nothingLeft();
      await nobodyLeft(on.path);
    },
  );
