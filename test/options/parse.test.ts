import { expect, test } from "bun:test";
import { mountFlags } from "../../ffi/mount.ts";
import { Failure } from "../../src/failure.ts";
import { type Manner, parseOptions, splitOptions } from "../../src/options/parse.ts";
import { MOUNT_OPTIONS } from "../../src/options/table.ts";
import type { Options } from "../../src/plugin.ts";
import { KernelFlags } from "../../src/puffs/flags.ts";

const OWN: Options = {
  size: { type: "size", description: "how big", percentOf: () => 1000 },
  level: { type: "integer", default: 3, min: 1, max: 9, description: "how much" },
  cache: { type: "boolean", default: true, description: "whether to cache" },
  shout: { type: "boolean", description: "whether to shout" },
  kind: { type: "choice", choices: ["tar", "zip"], description: "what it is" },
  perm: { type: "mode", description: "permissions" },
  text: { type: "string", description: "words" },
};
const SECURE = mountFlags.MS_NOSUID | mountFlags.MS_NODEV;

test("without options a mount is nosuid and nodev, and the plugin gets its defaults", () => {
  const { flags, plugin, mount } = parseOptions([], OWN);
  expect(flags).toBe(SECURE);
  expect(plugin).toEqual({
    size: undefined,
    level: 3,
    cache: true,
    shout: false,
    kind: undefined,
    perm: undefined,
    text: undefined,
  });
  expect(mount).toEqual({ grace: 5 });
});

test("every kernel option sets or clears its bit", () => {
  expect(parseOptions(["suid,dev"]).flags).toBe(0);
  expect(parseOptions(["ro,noexec,sync,dirsync"]).flags).toBe(SECURE | 1 | 8 | 16 | 128);
  expect(parseOptions(["noatime", "nodiratime,lazytime,nosymfollow"]).flags).toBe(
    SECURE | 1024 | 2048 | (1 << 25) | 256,
  );
  expect(parseOptions(["relatime"]).flags).toBe(SECURE | (1 << 21));
  expect(parseOptions(["strictatime"]).flags).toBe(SECURE | (1 << 24));
  expect(parseOptions(["rw,exec,async,atime,diratime,nolazytime"]).flags).toBe(SECURE);
});

test("what is for FUSE and for the program comes typed", () => {
  const { mount } = parseOptions([
    "allow_other,max_read=64k,attr_timeout=0.5",
    "fsname=a b,grace=0",
  ]);
  expect(mount).toEqual({
    allow_other: true,
    max_read: 65536,
    attr_timeout: 0.5,
    fsname: "a b",
    grace: 0,
  });
});

test("the plugin's options are typed by its table", () => {
  const { plugin } = parseOptions(["size=64m,level=7,nocache,shout,kind=zip,perm=0750,text="], OWN);
  expect(plugin).toEqual({
    size: 67108864,
    level: 7,
    cache: false,
    shout: true,
    kind: "zip",
    perm: 0o750,
    text: "",
  });
  expect(parseOptions(["size=25%"], OWN).plugin.size).toBe(250);
});

test("what fstab has for others changes nothing", () => {
  const list = "defaults,auto,noauto,user,users,nofail,_netdev,x-systemd.automount,x-gvfs-name=a b";
  expect(parseOptions([list], OWN)).toEqual(parseOptions([], OWN));
});

test("a backslash keeps a comma, an equals sign and itself in a value", () => {
  expect(splitOptions("text=a\\,b=c,ro,fsname=d\\\\e")).toEqual([
    { name: "text", text: "a,b=c" },
    { name: "ro", text: undefined },
    { name: "fsname", text: "d\\e" },
  ]);
  expect(splitOptions(",,ro,,")).toEqual([{ name: "ro", text: undefined }]);
  expect(splitOptions("a=")).toEqual([{ name: "a", text: "" }]);
});

test.each([
  ["noexce", "option noexce: there is no such option; did you mean noexec?"],
  ["sise=1m", "option sise: there is no such option; did you mean size?"],
  ["nocahce", "option nocahce: there is no such option; did you mean nocache?"],
  ["qwertyuiop", "option qwertyuiop: there is no such option; --help lists what there is"],
  ["notext", "option notext: there is no such option; did you mean text?"],
  ["ro=1", 'option ro takes no value, not "1"'],
  ["shout=yes", 'option shout takes no value, not "yes"'],
  ["size", "option size needs a value: size=SIZE"],
  ["kind=", "option kind needs a value: kind=tar|zip"],
  ["kind=zpi", 'option kind cannot be "zpi": it takes one of tar, zip; did you mean zip?'],
  ["level=0", 'option level cannot be "0": it takes at least 1'],
  ["level=10", 'option level cannot be "10": it takes at most 9'],
  ["level=1.5", 'option level cannot be "1.5": it takes a whole number'],
  ["perm=888", 'option perm cannot be "888": it takes octal permissions, 0 to 7777'],
  [
    "size=1x",
    'option size cannot be "1x": it takes a number with an optional k, m, g or t, such as 64m, or a percentage such as 50%',
  ],
  [
    "max_read=50%",
    'option max_read cannot be "50%": it takes a number with an optional k, m, g or t, such as 64m',
  ],
  [
    "attr_timeout=-1",
    'option attr_timeout cannot be "-1": it takes a number of seconds, such as 1 or 0.5',
  ],
  ["size=9999999t", 'option size cannot be "9999999t": it takes at most 9007199254740991'],
  ["ro,rw", "options ro and rw contradict each other; leave one out"],
  ["rw,ro", "options rw and ro contradict each other; leave one out"],
  ["strictatime,noatime", "options strictatime and noatime contradict each other; leave one out"],
  [
    "allow_root,allow_other",
    "options allow_root and allow_other contradict each other; leave one out",
  ],
  [
    "direct_io,kernel_cache",
    "options direct_io and kernel_cache contradict each other; leave one out",
  ],
  ["cache,nocache", "options cache and nocache contradict each other; leave one out"],
  ["level=1,level=2", "options level=1 and level=2 contradict each other; leave one out"],
  [
    "remount",
    "option remount: a live mount's flags are changed without this program: mount -i -o remount,... DIR",
  ],
])("%s is refused, by name", (list, message) => {
  const failure = refusal([list]);
  expect(failure.message).toBe(message);
  expect(failure.exitCode).toBe(1);
});

test("two -o contradict each other as one does, and saying a thing twice is no contradiction", () => {
  expect(refusal(["ro", "rw"]).message).toContain("ro and rw contradict");
  expect(parseOptions(["ro,level=2", "ro,level=2"], OWN).flags).toBe(SECURE | 1);
});

test("a required option must be there", () => {
  const own: Options = { url: { type: "string", required: true, description: "where it is" } };
  expect(refusal([], {}, own).message).toBe("option url is required: -o url=... (where it is)");
  expect(parseOptions(["url=x"], own).plugin).toEqual({ url: "x" });
});

test("for mount(8) the later of two holds", () => {
  const manner = { lastWins: true };
  expect(parseOptions(["ro,level=1,cache", "rw,level=2,nocache"], OWN, manner).flags).toBe(SECURE);
  expect(
    parseOptions(["ro,level=1,cache", "rw,level=2,nocache"], OWN, manner).plugin,
  ).toMatchObject({
    level: 2,
    cache: false,
  });
  expect(parseOptions(["rw,ro"], OWN, manner).flags).toBe(SECURE | 1);
});

test("sloppy passes over what is unknown, not over what is wrong", () => {
  expect(parseOptions(["sizzle,ro"], OWN, { sloppy: true }).flags).toBe(SECURE | 1);
  expect(refusal(["level=x"], { sloppy: true }).message).toContain("option level cannot be");
});

test("flags of puffs are words of a list, joined", () => {
  expect(parseOptions(["puffs_flags=NOCACHE_NAME+WTCACHE,ro"]).mount.puffs_flags).toBe(
    "NOCACHE_NAME+WTCACHE",
  );
  expect(refusal(["puffs_flags=WTCACHE+NOCACHE_NAM"]).message).toContain("mean NOCACHE_NAME?");
  expect(refusal(["puffs_flags=wtcache+x"]).message).toContain("mean WTCACHE?");
  expect(refusal(["puffs_flags=NOCACHE_ATTR"]).message).toContain("cannot be");
  expect(refusal(["puffs_flags="]).message).toContain("needs a value");
  expect(refusal(["puffs_flags"]).message).toContain("puffs_flags=FLAG[+FLAG...]");
});

test("all flags of puffs that a mount takes are words of its option", () => {
  const { NOCACHE_ATTR: _, ...taken } = KernelFlags;
  expect(new Set<string>(MOUNT_OPTIONS.puffs_flags.words)).toEqual(new Set(Object.keys(taken)));
});

test("names of JavaScript's own are no options", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    expect(refusal([name]).message).toContain("there is no such option");
  }
});

function refusal(lists: string[], manner: Manner = {}, own = OWN): Failure {
  try {
    parseOptions(lists, own, manner);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it was accepted");
}
