import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KernelFlags, LibraryFlags } from "../../src/puffs/flags.ts";

/*
 * docs/puffs.md: each function of the C library has its row, and the tests that a row names are there.
 */

const TESTS = join(import.meta.dir, "..");

/** The rows of all tables by their first cell, with the last: "file: title, file: title". */
const ROWS = rows(readFileSync(join(TESTS, "../docs/puffs.md"), "utf8"));

/** The functions of puffs(3) and its companion pages, less `puffs_`. */
const FUNCTIONS = `
  init mount getselectable setblockingmode getstate setstacksize setroot getroot setrootinfo getspecific setspecific
  setmaxreqlen getmaxreqlen setfhsize setncookiehash ml_setloopfn ml_settimeout daemon mainloop unmountonsignal exit
  dispatch_create dispatch_exec set_prepost set_errnotify set_cmap set_namemod set_pathbuild set_pathtransform set_pathcmp
  set_pathfree setback
  cc_getcaller cc_yield cc_schedule cc_continue cc_getusermount cc_getspecific
  framebuf_make framebuf_destroy framebuf_dup framebuf_recycle framebuf_reserve_space framebuf_putdata
  framebuf_putdata_atoff framebuf_getdata framebuf_getdata_atoff framebuf_telloff framebuf_tellsize framebuf_remaining
  framebuf_seekset framebuf_getwindow
  framev_init framev_addfd framev_enablefd framev_disablefd framev_removefd framev_unmountonclose framev_enqueue_cc
  framev_enqueue_cb framev_enqueue_justsend framev_enqueue_directreceive framev_enqueue_directsend framev_enqueue_waitevent
  framev_removeonclose framev_framebuf_ccpromote
  pn_new pn_remove pn_put pn_nodewalk getrootpathobj path_walkcmp path_prefixadj path_buildhash
  cred_getuid cred_getgid cred_getgroups cred_isuid cred_hasgroup cred_isregular cred_iskernel cred_isfs cred_isjuggernaut
  access access_chown access_chmod access_times
  inval_namecache_node inval_namecache_dir inval_namecache_all inval_pagecache_node inval_pagecache_node_range
  flush_pagecache_node flush_pagecache_node_range fs_suspend
`;

test("every function has a row", () => {
  const missing = FUNCTIONS.trim()
    .split(/\s+/)
    .filter((name) => !ROWS.has(`puffs_${name}`));
  expect(missing).toEqual([]);
});

test("every flag has a row", () => {
  const { NOCACHE_ATTR: _, ...accepted } = KernelFlags;
  const missing = [...Object.keys(accepted), ...Object.keys(LibraryFlags)].filter(
    (name) => !ROWS.has(name),
  );
  expect(missing).toEqual([]);
});

test("every row names tests that are there", () => {
  const wrong = [...ROWS].flatMap(([what, tests]) =>
    tests.split(/, (?=(?:doors|library|plugins|puffs)\/)/).flatMap((words) => {
      const [, file, title] = /^(\S+): (.+)$/.exec(words) ?? [];
      if (file && title && titlesOf(file).some((there) => there.startsWith(title))) return [];
      return [`${what}: ${words}`];
    }),
  );
  expect(wrong).toEqual([]);
  expect(ROWS.size).toBeGreaterThan(100);
});

function rows(document: string): Map<string, string> {
  const lines = document.split("\n").filter((line) => line.startsWith("| "));
  return new Map(
    lines
      .map((line) => line.slice(2, -2).split(" | "))
      .filter((cells) => cells.at(-1) !== "test")
      .map((cells) => [cells[0] ?? "", cells.at(-1) ?? ""]),
  );
}

/** The first words of what a file calls its tests, but for what a template begins with. */
function titlesOf(file: string): string[] {
  const text = readFileSync(join(TESTS, `${file}.test.ts`), "utf8");
  return [...text.matchAll(/\b(?:test\(\s*|asRoot\(\s*|title: )["'`](.+)["'`],/g)].map((match) =>
    (match[1] as string).replace(/^\$\{\w+\}: /, ""),
  );
}
