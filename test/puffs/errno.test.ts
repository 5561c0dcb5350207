import { expect, test } from "bun:test";
import { ERRNO_NAMES } from "../../src/errno.ts";
import { ELAST, errnoName, errnoNumber, NETBSD } from "../../src/puffs/errno.ts";
import abi from "./abi.json";

const { ELAST: last, EWOULDBLOCK, ...numbers } = abi.errno;

test("the numbers are those of the header, 1 to 96 without a gap", () => {
  expect<Record<string, number>>(NETBSD).toEqual(numbers);
  expect(Object.values(NETBSD) as number[]).toEqual(Array.from({ length: 96 }, (_, i) => i + 1));
  expect(ELAST).toBe(last);
});

test("name and number lead to each other", () => {
  for (const [name, number] of Object.entries(NETBSD)) {
    expect(errnoNumber(name)).toBe(number);
    expect(errnoName(number) as string).toBe(name);
  }
});

test("a name has not the number that Linux has for it", () => {
  expect(errnoNumber("EAGAIN")).toBe(35);
  expect(errnoNumber("EOPNOTSUPP")).toBe(45);
  expect(errnoNumber("ENOTSUP")).toBe(86);
  expect(errnoNumber("ENAMETOOLONG")).toBe(63);
  expect(errnoNumber("ENOTEMPTY")).toBe(66);
  expect(errnoNumber("ENOSYS")).toBe(78);
});

test("synonyms", () => {
  expect(errnoNumber("EWOULDBLOCK")).toBe(EWOULDBLOCK);
  expect(errnoName(35)).toBe("EAGAIN");
});

test("names of Linux' own become the nearest", () => {
  const nearest = { EREMOTEIO: 96, ERESTART: 4, ENOMEDIUM: 6, EMEDIUMTYPE: 79, ENOKEY: 13 };
  for (const [name, number] of Object.entries(nearest)) expect(errnoNumber(name)).toBe(number);
});

test("every name that operations may use has a number of its own, not the last resort", () => {
  const lost = ERRNO_NAMES.filter((name) => name !== "EIO" && errnoNumber(name) === NETBSD.EIO);
  expect(lost).toEqual([]);
});

test("what nobody has is EIO, also the names that every object has", () => {
  for (const name of ["EWHATEVER", "", "enoent", "constructor", "__proto__", "toString"])
    expect(errnoNumber(name)).toBe(5);
  for (const number of [0, -2, 97, 512, Number.NaN]) expect(errnoName(number)).toBeUndefined();
});
