import { expect, test } from "bun:test";
import { constants } from "node:os";
import { check, cstring, errorName, SystemError } from "../../ffi/libc.ts";
import { unmount } from "../../ffi/mount.ts";

test("a failed call throws an error with code, errno, syscall and a message of one line", () => {
  const missing = "/no/such/directory";
  let caught: unknown;
  try {
    unmount(missing, 0);
  } catch (error) {
    caught = error;
  }
  // A process without the privilege is told so before the path is looked at.
  const { code, message } = caught as SystemError;
  expect(caught).toBeInstanceOf(SystemError);
  expect(["ENOENT", "EPERM"]).toContain(code);
  const text = code === "ENOENT" ? "No such file or directory" : "Operation not permitted";
  expect(message).toBe(`umount2: ${text} (${code}) ${missing}`);
  expect(caught).toMatchObject({ errno: code === "ENOENT" ? 2 : 1, syscall: "umount2" });
});

test("a message without a subject ends with the code", () => {
  const error = new SystemError("setsid", 1);
  expect(error.message).toBe("setsid: Operation not permitted (EPERM)");
});

test("check passes any result but -1 on", () => {
  expect(check(0, "read")).toBe(0);
  expect(check(7, "read")).toBe(7);
  expect(() => check(-1, "read")).toThrow(SystemError);
});

test("of two names for one errno the right one is taken", () => {
  expect(errorName(constants.errno.EWOULDBLOCK)).toBe("EAGAIN");
  expect(errorName(constants.errno.ENOTSUP)).toBe("EOPNOTSUPP");
  expect(errorName(2)).toBe("ENOENT");
  expect(errorName(99999)).toBe("UNKNOWN");
});

test("a C string is UTF-8 ended by NUL, and none may be inside", () => {
  expect([...cstring("aé")]).toEqual([0x61, 0xc3, 0xa9, 0]);
  expect(() => cstring("a\0b")).toThrow(expect.objectContaining({ code: "EINVAL" }));
});
