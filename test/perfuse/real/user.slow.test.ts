import { expect } from "bun:test";
import { chownSync } from "node:fs";
import { PROGRAM, place, run } from "../../support/program.ts";
import { remote, SSHFS } from "./sshd.ts";
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

for (const route of ["auto", "fusermount"])
  withPrograms(`sshfs of an ordinary user, route=${route}`, [...SSHFS, "fusermount3"], async () => {
    await using on = scratch();
    await using at = place();
    await using there = await remote(on);
    for (const path of [on.at("user"), at.directory]) chownSync(path, NOBODY, NOBODY);
    await on.sh("head -c 3000000 /dev/urandom > big && chmod 644 big");
    const { code, stdout, stderr } = await asUser(
      `P mount perfuse -o access,route=${route} "$D" -- ${there.command(true).join(" ")}
       cd "$D"; cp "$S" copy; mkdir d; mv copy d/big; cmp d/big "$S"; ls d
       dd if=d/big bs=1M iflag=direct status=none | cmp - "$S"; cd /; P umount "$D"`,
      { D: at.directory, S: on.at("big") },
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "big\n", stderr: "" });
    expect(await on.sh('cmp big "$1/d/big" && ls "$1"', there.root)).toBe("d\n");
    await at.nothingLeft();
    await nobodyLeft(on.at("user"));
  });
