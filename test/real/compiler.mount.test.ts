import { expect } from "bun:test";
import { compile, onMemfs, withScratch } from "./support.ts";

onMemfs(
  "a C program is compiled, archived, linked and run inside",
  { programs: ["cc", "ar"] },
  async (place) => {
    await place.sh(`
    cat >sum.c <<'END'
int sum(int n) { return n == 0 ? 0 : n + sum(n - 1); }
END
    cat >main.c <<'END'
#include <stdio.h>
int sum(int);
int main(int argc, char **argv) { return printf("%s %d\\n", argv[argc - 1], sum(1000)), 7; }
END
    cc -c -g sum.c main.c
    ar rc libsum.a sum.o
    cc -o static main.o libsum.a
    cc -shared -fPIC -o libshared.so sum.c
    cc -o dynamic main.o -L. -lshared -Wl,-rpath,.
  `);
    const ran = { status: 7, stdout: "word 500500\n", stderr: "" };
    expect(await place.run(["./static", "word"])).toEqual(ran);
    expect(await place.run(["./dynamic", "word"])).toEqual(ran);
  },
);

onMemfs(
  "a running program is not to be written, and a script is run by its first line",
  { programs: ["cc"] },
  async (place) => {
    await place.sh(`
    echo 'int main(void) { return getchar() != 10; }' >wait.c
    cc -w -include stdio.h -o wait wait.c
    mkfifo gate
    ./wait <gate & running=$!
    exec 3>gate
    while ! test /proc/$running/exe -ef wait; do sleep 0.01; done
    if echo >wait; then exit 1; fi 2>refused
    grep -q "Text file busy" refused
    echo >&3
    wait $running
  `);
    const script = "printf '#!/bin/sh\\necho $1 $0\\n' >script; chmod +x script; ./script called";
    expect(await place.sh(script)).toBe("called ./script\n");
  },
);

onMemfs(
  "what is stored in a shared map, read(2) sees, and the other way round",
  { programs: ["cc"] },
  (place) =>
    withScratch(async (scratch) => {
      const mmap = await compile("mmap.c", scratch);
      expect(await place.sh(mmap)).toBe("mapped\n");
    }),
);
