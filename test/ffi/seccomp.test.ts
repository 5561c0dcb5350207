import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { canFilter } from "../../ffi/seccomp.ts";

test("filters can be had for what the kernel knows to do", () => {
  const known = readFileSync("/proc/sys/kernel/seccomp/actions_avail", "utf8").split(/\s+/);
  expect(canFilter({ listens: false })).toBe(known.includes("errno"));
  expect(canFilter({ listens: true })).toBe(known.includes("user_notif"));
});

test("on a machine whose calls are not known there are none", () => {
  const own = Object.getOwnPropertyDescriptor(process, "arch") as PropertyDescriptor;
  Object.defineProperty(process, "arch", { ...own, value: "riscv64" });
  try {
    expect(canFilter({ listens: false })).toBe(false);
  } finally {
    Object.defineProperty(process, "arch", own);
  }
});
