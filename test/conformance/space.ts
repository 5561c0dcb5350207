import { expect } from "bun:test";
import { O_CREAT, O_RDWR } from "../support/client.ts";
import { eventually, make, pattern, type Subject, using, writeAll } from "./case.ts";

const MIB = 1024 * 1024;

export const space: Subject = {
  name: "statvfs",
  needs: ["write", "statvfs"],
  cases: {
    "adds up": async ({ client, directory }) => {
      const all = await client.statvfs(directory);
      expect(all.namemax).toBe(255);
      expect(all.frsize).toBeGreaterThan(0);
      expect(all.bsize).toBeGreaterThan(0);
      expect(all.bfree).toBeLessThanOrEqual(all.blocks);
      expect(all.bavail).toBeLessThanOrEqual(all.bfree);
      expect(all.ffree).toBeLessThanOrEqual(all.files);
    },
    "is the same wherever it is asked": async ({ client, directory, at }) => {
      await make(client, at("f"), "content");
      const { blocks, frsize, files } = await client.statvfs(at("f"));
      const whole = await client.statvfs(directory);
      expect([blocks, frsize, files]).toEqual([whole.blocks, whole.frsize, whole.files]);
    },
    "a file takes one node and gives it back": async ({ client, directory, at }) => {
      const before = (await client.statvfs(directory)).ffree;
      await make(client, at("f"));
      expect((await client.statvfs(directory)).ffree).toBe(before - 1);
      await client.mkdir(at("d"));
      expect((await client.statvfs(directory)).ffree).toBe(before - 2);
      await client.unlink(at("f"));
      await client.rmdir(at("d"));
      await eventually(async () => (await client.statvfs(directory)).ffree === before);
    },
    "a megabyte takes a megabyte and gives it back": async ({ client, directory, at }) => {
      const free = async () => {
        const { bfree, frsize } = await client.statvfs(directory);
        return bfree * frsize;
      };
      const before = await free();
      await make(client, at("f"), pattern(MIB));
      expect(before - (await free())).toBeGreaterThanOrEqual(MIB);
      expect(before - (await free())).toBeLessThan(2 * MIB);
      await client.unlink(at("f"));
      await eventually(async () => (await free()) === before);
    },
    "a removed file gives its space back when it is closed": async ({ client, directory, at }) => {
      const before = (await client.statvfs(directory)).bfree;
      await using(client.open(at("f"), O_CREAT | O_RDWR), async (file) => {
        await writeAll(file, pattern(MIB), 0);
        await client.unlink(at("f"));
        expect((await client.statvfs(directory)).bfree).toBeLessThan(before);
      });
      await eventually(async () => (await client.statvfs(directory)).bfree === before);
    },
    "a replaced file gives its space back": async ({ client, directory, at }) => {
      await make(client, at("f"));
      const before = (await client.statvfs(directory)).bfree;
      await make(client, at("g"), pattern(MIB));
      await client.rename(at("f"), at("g"));
      await eventually(async () => (await client.statvfs(directory)).bfree === before);
    },
    "a hole takes nothing": async ({ client, directory, at }) => {
      await make(client, at("f"));
      const before = (await client.statvfs(directory)).bfree;
      await client.truncate(at("f"), 1024 * MIB);
      expect((await client.statvfs(directory)).bfree).toBe(before);
    },
  },
};
