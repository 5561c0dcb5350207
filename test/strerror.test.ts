import { CString, dlopen, FFIType } from "bun:ffi";
import { expect, test } from "bun:test";
import { constants } from "node:os";
import { ERRNO_NAMES } from "../src/errno.ts";
import { strerror } from "../src/strerror.ts";

test.skipIf(process.platform !== "linux")("errors are called as the C library calls them", () => {
  const { symbols } = dlopen("libc.so.6", {
    strerror: { args: [FFIType.i32], returns: FFIType.ptr },
  });
  const numbers: Record<string, number> = constants.errno;
  const known = ERRNO_NAMES.filter((name) => strerror(name) !== name && name in numbers);
  expect(known.length).toBeGreaterThan(50);
  for (const name of known) {
    const words = symbols.strerror(numbers[name] as number);
    expect([name, strerror(name)]).toEqual([name, new CString(words as never).toString()]);
  }
});

test("one without words is its name", () => {
  expect(strerror("ENEEDAUTH")).toBe("ENEEDAUTH");
});
