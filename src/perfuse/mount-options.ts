import { type ParsedOptions, parseOptions } from "../options/parse.ts";
import { MountFlags } from "../puffs/flags.ts";
import type { MountFrame } from "./mount-frame.ts";

/**
 * The options of the mount that a frame asks for. Set-user-ID bits and devices stay without effect unless root's data says otherwise,
 * and of the words in `data` only those count that are listed here: the rest is between daemons and Linux' own kernel.
 */
export function mountOptions(
  { source, type, flags, data = "" }: MountFrame,
  door: string,
  isRoot: boolean,
): ParsedOptions {
  const given = new Set(data.split(","));
  const byFlag = FLAGS.flatMap(([bit, word]) => ((flags & bit) === 0 ? [] : [word]));
  const byData = [...WORDS, ...(isRoot ? WORDS_OF_ROOT : [])].filter((word) => given.has(word));
  const against = (word: string) => !byFlag.includes(`no${word}`);
  const options = parseOptions([...byFlag, ...byData.filter(against)], {}, { lastWins: true });
  const { mount } = options;
  const longest = longestRead(data);
  const puffs = door !== "fuse";
  return {
    ...options,
    mount: {
      ...mount,
      fsname: source ?? (puffs ? "/dev/puffs" : "/dev/fuse"),
      subtype: puffs ? puffsType(type) : (type ?? DEFAULT_TYPE).replace(/[^\w.+-]/g, "_"),
      ...(longest === undefined ? {} : { max_read: longest }),
    },
  };
}

/** What NetBSD shows of it: puffs has the part before the bar for the server, and the one after it for the file system. */
function puffsType(type: string | undefined): string {
  return type === undefined ? DEFAULT_TYPE : `${DEFAULT_TYPE}|${type}`;
}

/** `max_read=`, if the mount's own option of that name would take it. */
function longestRead(data: string): number | undefined {
  const found = /(?:^|,)max_read=(\d{1,10})(?:,|$)/.exec(data)?.[1];
  const bytes = Number(found);
  return found !== undefined && bytes >= 4096 && bytes <= 2 ** 30 ? bytes : undefined;
}

const DEFAULT_TYPE = "perfuse";

const FLAGS: readonly (readonly [number, string])[] = [
  [MountFlags.RDONLY, "ro"],
  [MountFlags.SYNCHRONOUS, "sync"],
  [MountFlags.NOEXEC, "noexec"],
  [MountFlags.NOSUID, "nosuid"],
  [MountFlags.NODEV, "nodev"],
  [MountFlags.NOATIME, "noatime"],
];

const WORDS: readonly string[] = ["allow_other", "default_permissions"];
const WORDS_OF_ROOT: readonly string[] = ["suid", "dev"];
