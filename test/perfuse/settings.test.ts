import { expect, test } from "bun:test";
import { settingsOf } from "../../src/perfuse/settings.ts";

const silent = (message: string) => {
  throw new Error(message);
};

test("without an environment: permissions are checked here, files made by CREATE, 2162688 bytes", () => {
  expect(settingsOf({}, silent)).toEqual({ access: false, create: true, bufferSize: 2162688 });
});

for (const [words, access, create] of [
  ["enable_access", true, true],
  ["disable_creat", false, false],
  ["enable_access,disable_creat", true, false],
  ["enable_access,disable_access", false, true],
  ["disable_creat,enable_creat,enable_access", true, true],
  ["", false, true],
  ["enable_acces,enable_access ,ENABLE_ACCESS,toString,constructor", false, true],
] as const)
  test(`PERFUSE_OPTIONS=${words}`, () => {
    const settings = settingsOf({ PERFUSE_OPTIONS: words }, silent);
    expect([settings.access, settings.create]).toEqual([access, create]);
  });

for (const [text, bytes] of [
  ["65536", 65536],
  ["0x10000", 65536],
  ["0X1FFFF", 131071],
  ["0200000", 65536],
  [" +123456", 123456],
  ["4294967295", 4294967295],
] as const)
  test(`PERFUSE_BUFSIZE=${text} is ${bytes}`, () => {
    expect(settingsOf({ PERFUSE_BUFSIZE: text }, silent).bufferSize).toBe(bytes);
  });

for (const [text, bytes] of [
  ["100", 100],
  ["0", 0],
  ["65535", 65535],
] as const)
  test(`PERFUSE_BUFSIZE=${text} is too little: raised, with a warning`, () => {
    const warnings: string[] = [];
    const { bufferSize } = settingsOf({ PERFUSE_BUFSIZE: text }, (line) => warnings.push(line));
    expect(bufferSize).toBe(65536);
    expect(warnings).toEqual([
      `PERFUSE_BUFSIZE is ${bytes}, which some messages do not pass; it is taken as 65536`,
    ]);
  });

for (const text of ["", "many", "0x", "09", "-1", "4294967296", "12k", "1.5"])
  test(`PERFUSE_BUFSIZE=${JSON.stringify(text)} is a warning, and the default`, () => {
    const warnings: string[] = [];
    const { bufferSize } = settingsOf({ PERFUSE_BUFSIZE: text }, (line) => warnings.push(line));
    expect(bufferSize).toBe(2162688);
    expect(warnings).toEqual([
      `PERFUSE_BUFSIZE is ${JSON.stringify(text)}, which is no number of bytes; it is taken as 2162688`,
    ]);
  });
