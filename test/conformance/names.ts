import { expect } from "bun:test";
import { O_CREAT, O_RDONLY, O_RDWR } from "../support/client.ts";
import { exists, fails, names as listed, make, type Subject, table, text } from "./case.ts";

/** Every byte a name may have but "." alone: 1 to 255 less the slash, not UTF-8 as a whole. */
const everyByte = Array.from({ length: 255 }, (_, index) => index + 1)
  .filter((byte) => byte !== 0x2f)
  .map((byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte))
  .join("");

/** What is to be seen of names; U+DC80 to U+DCFF stand for bytes that are not UTF-8. */
const NAMES: Record<string, string> = {
  "one letter": "a",
  "three dots": "...",
  "a dot first": ".hidden",
  "a dot last": "name.",
  "a space": " ",
  "spaces around": " a b ",
  "a newline": "a\nb",
  "a tab and a carriage return": "\t\r",
  "a hyphen first": "-rf",
  quotes: "\"'`",
  "a backslash": "\\",
  "signs of the shell": "*?[a]{b}$(c)!&|;<>~#",
  "an escape sequence": "\u001b[31mred",
  "DEL and BEL": "\u007f\u0007",
  "letters beyond ASCII": "Grüße",
  "letters beyond Latin": "Ωμέγα漢字",
  "beyond the basic plane": "🗂️🚀",
  "a combining mark": "e\u0301",
  "a byte order mark": "\ufeffbom",
  "a replacement character": "\ufffd",
  "the last character": "\u{10ffff}",
  "right to left": "\u202eabc",
  "a stray continuation byte": "a\udc80b",
  "a byte that is never UTF-8": "\udcff",
  "a sequence cut short": "\udce2\udc82",
  "an overlong slash": "\udcc0\udcaf",
  "an encoded surrogate": "\udced\udca0\udc80",
  "beyond the last character": "\udcf4\udc90\udc80\udc80",
  "Latin-1": "Gr\udcfc\udcdfe",
  "every byte": everyByte,
  "255 bytes": "n".repeat(255),
  "255 bytes in 85 letters": "漢".repeat(85),
  "255 bytes that are not UTF-8": "\udcfe".repeat(255),
};

export const names: Subject = {
  name: "names",
  needs: ["write"],
  cases: {
    ...table(
      Object.entries(NAMES),
      ([title]) => title,
      async ({ client, at, directory }, [, name]) => {
        await make(client, at(name), "content");
        expect(await listed(client, directory)).toEqual([name]);
        expect(await text(client, at(name))).toBe("content");
        await fails(client.open(at(name), O_CREAT | 0o200 | O_RDWR), "EEXIST");
        await client.rename(at(name), at("other"));
        expect(await exists(client, at(name))).toBe(false);
        await client.rename(at("other"), at(name));
        await client.unlink(at(name));
        await client.mkdir(at(name));
        await make(client, at(`${name}/${name}`), "inside");
        expect(await listed(client, at(name))).toEqual([name]);
        await client.unlink(at(`${name}/${name}`));
        await client.rmdir(at(name));
        expect(await listed(client, directory)).toEqual([]);
      },
    ),
    ...table(
      [
        ["upper and lower case", "name", "NAME"],
        ["composed and decomposed letters", "\u00e9", "e\u0301"],
        ["a byte and the letter of that number", "\udcff", "\u00ff"],
        ["with and without a space", "a", "a "],
        ["two bad bytes", "\udcfe", "\udcff"],
        ["a bad byte and the replacement character", "\udcff", "\ufffd"],
      ] as const,
      ([title]) => `two names: ${title}`,
      async ({ client, at, directory }, [, one, other]) => {
        await make(client, at(one), "one");
        expect(await exists(client, at(other))).toBe(false);
        await make(client, at(other), "other");
        expect(await text(client, at(one))).toBe("one");
        expect((await listed(client, directory)).sort()).toEqual([one, other].sort());
      },
    ),
    ...table(
      ["n".repeat(256), `${"漢".repeat(85)}a`, "\udcff".repeat(256), "n".repeat(4000)],
      (name) => `${Buffer.byteLength(name)} bytes of ${JSON.stringify(name[0])}: ENAMETOOLONG`,
      async ({ client, at }, name) => {
        await make(client, at("f"));
        await fails(client.lstat(at(name)), "ENAMETOOLONG");
        await fails(client.open(at(name), O_RDONLY), "ENAMETOOLONG");
        await fails(client.open(at(name), O_CREAT | O_RDWR), "ENAMETOOLONG");
        await fails(client.mkdir(at(name)), "ENAMETOOLONG");
        await fails(client.rename(at("f"), at(name)), "ENAMETOOLONG");
        await fails(client.rename(at(name), at("g")), "ENAMETOOLONG");
        await fails(client.unlink(at(name)), "ENAMETOOLONG");
        await fails(client.rmdir(at(name)), "ENAMETOOLONG");
      },
    ),
    "256 bytes for what is not a file: ENAMETOOLONG": async ({ client, at }) => {
      await make(client, at("f"));
      const name = "n".repeat(256);
      await fails(client.symlink("x", at(name)), "ENAMETOOLONG");
      await fails(client.mknod(at(name), 0o010644), "ENAMETOOLONG");
      await fails(client.link(at("f"), at(name)), "ENAMETOOLONG");
    },
    "a path through long names": async ({ client, at }) => {
      let path = at("");
      for (let level = 0; level < 14; level++) {
        path += `${level === 0 ? "" : "/"}${"n".repeat(250)}`;
        await client.mkdir(path);
      }
      await make(client, `${path}/f`, "deep");
      expect(await text(client, `${path}/f`)).toBe("deep");
    },
  },
};

export const paths: Subject = {
  name: "paths",
  needs: ["write", "kernel"],
  cases: {
    "of more than PATH_MAX bytes: ENAMETOOLONG": async ({ client, at }) => {
      await fails(client.lstat(at("./".repeat(2100))), "ENAMETOOLONG");
      await fails(client.mkdir(at("./".repeat(2100))), "ENAMETOOLONG");
    },
    "of nearly PATH_MAX bytes": async ({ client, at, directory }) => {
      const path = at("./".repeat(2000));
      expect((await client.lstat(path)).ino).toBe((await client.lstat(directory)).ino);
    },
  },
};
