import { expect, test } from "bun:test";
import { Opcode } from "../../src/fuse/opcodes.ts";
import abi from "./abi.json";

test("the numbers are those of the header, and none is missing but the byte-swapped ones", () => {
  const header = Object.entries(abi.opcodes)
    .filter(([name]) => !name.endsWith("_BSWAP_RESERVED"))
    .map(([name, [value]]) => [name.replace(/^FUSE_/, ""), value as number]);
  expect(Opcode as Record<string, number>).toEqual(Object.fromEntries(header));
});
