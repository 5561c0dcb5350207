import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTraceStore, tracePath } from "../../src/perfuse/trace-store.ts";

const target = `/no/where-${process.pid}`;
const path = tracePath(target);

function fail(message: string): never {
  throw new Error(message);
}

test("the file's name is the directory's", () => {
  expect(path).toEndWith(`/perfused-no-where-${process.pid}.trace`);
  if (process.geteuid?.() === 0) expect(path).toStartWith("/var/run/");
});

test("a text takes the place of the one before; nobody else may read it; it stays", () => {
  const store = openTraceStore(target, fail);
  try {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    store?.write("a long first text\n");
    store?.write("größe\n");
    expect(readFileSync(path, "utf8")).toBe("größe\n");
    store?.close();
    expect(existsSync(path)).toBeTrue();
  } finally {
    rmSync(path, { force: true });
  }
});

test("one that nothing was written to goes", () => {
  openTraceStore(target, fail)?.close();
  expect(existsSync(path)).toBeFalse();
});

test("a link that is there under its name leads nowhere", () => {
  const victim = join(tmpdir(), `victim-${process.pid}`);
  writeFileSync(victim, "mine");
  symlinkSync(victim, path);
  try {
    const store = openTraceStore(target, fail);
    store?.write("trace");
    store?.close();
    expect(readFileSync(victim, "utf8")).toBe("mine");
    expect(readFileSync(path, "utf8")).toBe("trace");
  } finally {
    rmSync(path, { force: true });
    rmSync(victim);
  }
});

test("a name that is too long is a warning, and no store", () => {
  const warnings: string[] = [];
  expect(openTraceStore(`/${"x".repeat(300)}`, (line) => warnings.push(line))).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining("there will be no trace file: ENAMETOOLONG")]);
});
