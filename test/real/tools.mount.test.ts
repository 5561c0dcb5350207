import { expect } from "bun:test";
import { onMemfs } from "./support.ts";

onMemfs("inotifywait is told of every change", { programs: ["inotifywait"] }, async (place) => {
  // The watch is known to be set by the line that inotifywait says then; the last event ends it.
  const events = await place.sh(`
    mkdir watched
    inotifywait --monitor --format '%e %f' watched >events 2>messages & watcher=$!
    until grep -q established messages; do sleep 0.01; done
    cd watched
    echo text >file
    chmod 600 file
    mv file moved
    mkdir directory
    rm moved
    rmdir directory
    until grep -q 'DELETE.* directory' ../events; do sleep 0.01; done
    kill $watcher
    cat ../events
  `);
  expect(events.split("\n")).toEqual([
    "CREATE file",
    "OPEN file",
    "MODIFY file",
    "CLOSE_WRITE,CLOSE file",
    "ATTRIB file",
    "MOVED_FROM file",
    "MOVED_TO moved",
    "CREATE,ISDIR directory",
    "DELETE moved",
    "DELETE,ISDIR directory",
    "",
  ]);
});

onMemfs("df, du and find agree on what is there", { options: "size=8m" }, async (place) => {
  const used = "df --block-size=1 --output=used . | tail -n 1";
  const inodes = "df --output=iused . | tail -n 1";
  const number = async (script: string) => Number(await place.sh(script));
  const before = await number(inodes);
  expect(await number(used)).toBe(0);

  await place.sh(`
    for d in $(seq 20); do
      mkdir d$d
      for f in $(seq 10); do head -c $((d * f * 37)) /dev/zero | tr '\\0' x >d$d/f$f; done
    done
    ln d1/f1 d1/again
    truncate -s 1m sparse
    printf end | dd of=sparse bs=1 seek=900000 conv=notrunc status=none
  `);
  expect(await number("find . -type f | wc -l")).toBe(202);
  expect(await number("find . -type f -links 2 | wc -l")).toBe(2);
  expect(await number("find . -type d | wc -l")).toBe(21);
  expect((await number(inodes)) - before).toBe(20 + 201);

  const taken = await number(
    "find . -type f -printf '%i %b\\n' | sort -u | awk '{ n += $2 * 512 } END { print n }'",
  );
  // Directories themselves take nothing.
  expect(await number("du --summarize --block-size=1 . | cut -f 1")).toBe(taken);
  expect(await number(used)).toBe(taken);
  const bytes = (((37 * (20 * 21)) / 2) * (10 * 11)) / 2;
  expect(
    await number(
      "find d* -type f -not -name again -printf '%s\\n' | awk '{ n += $1 } END { print n }'",
    ),
  ).toBe(bytes);
});

onMemfs(
  "cp keeps holes, links, times, modes and extended attributes",
  { programs: ["setfattr"] },
  async (place) => {
    const out = await place.sh(`
    mkdir from
    truncate -s 4m from/sparse
    for at in 0 1 700; do printf data | dd of=from/sparse bs=4096 seek=$at conv=notrunc status=none; done
    ln from/sparse from/hard
    ln -s nowhere from/soft
    mkfifo from/fifo
    setfattr -n user.colour -v red from/sparse
    chmod 4751 from/sparse
    touch -d '2001-02-03 04:05:06.123456789' from/sparse
    cp -a --sparse=always from always
    cp -a --sparse=auto from auto
    cp -a --reflink=never --sparse=never from never
    for copy in always auto never; do
      diff -r --no-dereference --exclude=fifo from $copy
      for field in %a,%h,%Y,%y,%F %s; do
        test "$(stat -c $field from/sparse)" = "$(stat -c $field $copy/sparse)"
      done
      test $copy/sparse -ef $copy/hard
      test -p $copy/fifo
      test "$(readlink $copy/soft)" = nowhere
      test "$(getfattr --only-values -n user.colour $copy/sparse)" = red
    done
    stat -c '%s %b %n' from/sparse always/sparse auto/sparse never/sparse
  `);
    // Three pages of data, in units of 512 bytes.
    expect(out).toBe(
      "4194304 24 from/sparse\n4194304 24 always/sparse\n4194304 24 auto/sparse\n4194304 8192 never/sparse\n",
    );
  },
);

onMemfs(
  "a full disk says ENOSPC at the last byte, keeps what it has and takes more after rm",
  { options: "size=1m" },
  async (place) => {
    const filled = await place.run([
      "sh",
      "-c",
      "dd if=/dev/urandom of=big bs=64k; stat -c %s big",
    ]);
    expect(filled.stderr).toContain("No space left on device");
    expect(filled.stdout).toBe("1048576\n");

    await place.sh("touch small; if printf x >>small; then exit 1; fi 2>/dev/null");
    expect(
      await place.sh(
        "stat -c %s small; df --block-size=1 --output=used,avail . | tail -n 1 | xargs",
      ),
    ).toBe("0\n1048576 0\n");
    // What is there is read, overwritten and read again; only more of it is refused.
    await place.sh(`
    before=$(sha256sum <big)
    dd if=big of=big bs=128k skip=1 count=1 conv=notrunc status=none
    dd if=big of=/dev/null bs=64k status=none
    test "$before" != "$(sha256sum <big)"
    test $(stat -c %s big) = 1048576
    mkdir still && mv big still/big && ln -s big still/link
  `);
    await place.sh(
      "rm still/big; head -c 1048576 /dev/urandom >again; cat again >/dev/null; rm again",
    );
    expect(await place.sh("df --block-size=1 --output=used . | tail -n 1")).toMatch(/^\s*0\n$/);
  },
);

onMemfs("no more files than nr_inodes", { options: "nr_inodes=11" }, async (place) => {
  const made = await place.run(["sh", "-c", "for i in $(seq 20); do mkdir d$i; done; ls | wc -l"]);
  expect(made.stdout).toBe("10\n");
  expect(made.stderr).toContain("No space left on device");
  await place.sh("rmdir d1; ln -s x y; rm y; touch z; if touch w; then exit 1; fi 2>/dev/null");
});
