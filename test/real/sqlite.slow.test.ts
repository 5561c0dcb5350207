import { expect } from "bun:test";
import { onMemfs } from "./support.ts";

const programs = ["sqlite3"];

/** Two processes insert 300 rows each, one row per transaction, waiting for each other's locks. */
const TWO_WRITERS = `
  insert() {
    { echo ".timeout 20000"; for i in $(seq 300); do echo "INSERT INTO t VALUES($1, $i, randomblob(500));"; done
    } | sqlite3 -bail data
  }
  insert 1 & first=$!
  insert 2 & second=$!
  wait $first && wait $second
  sqlite3 data "PRAGMA integrity_check; SELECT writer, count(*), sum(n) FROM t GROUP BY writer"
`;
const WHOLE = "ok\n1|300|45150\n2|300|45150\n";

for (const mode of ["delete", "truncate", "persist", "wal"]) {
  onMemfs(
    `SQLite with journal_mode=${mode} holds with two writers`,
    { programs },
    async (place) => {
      const set = `PRAGMA journal_mode=${mode}; CREATE TABLE t(writer, n, junk)`;
      expect(await place.sh(`sqlite3 data '${set}'`)).toBe(`${mode}\n`);
      expect(await place.sh(TWO_WRITERS, { timeout: 60 })).toBe(WHOLE);
    },
  );
}

onMemfs("SQLite rolls back what a killed writer left half done", { programs }, async (place) => {
  await place.sh(`sqlite3 data "CREATE TABLE t(n); INSERT INTO t VALUES(1)"`);
  // The cache spills, so the file itself is half changed when the process dies, and the journal is hot.
  await place.sh(`
    { echo "PRAGMA cache_size=1; BEGIN; CREATE TABLE u(b);
            INSERT INTO u SELECT randomblob(4000) FROM generate_series(1, 200);
            UPDATE t SET n = 2;"
      echo ".shell touch changed"
      echo ".shell kill -9 \\$PPID"
    } | sqlite3 data || true
    test -e changed
    test -s data-journal
  `);
  expect(
    await place.sh(
      `sqlite3 data "PRAGMA integrity_check; SELECT n FROM t; SELECT name FROM sqlite_master"`,
    ),
  ).toBe("ok\n1\nt\n");
});

onMemfs("SQLite reads through a memory map", { programs }, async (place) => {
  const query = `PRAGMA mmap_size=268435456;
    CREATE TABLE t(n); INSERT INTO t SELECT value FROM generate_series(1, 20000);
    SELECT sum(n) FROM t; PRAGMA integrity_check`;
  expect(await place.sh(`sqlite3 data "${query}"`)).toBe("268435456\n200010000\nok\n");
});
