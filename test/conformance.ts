import { afterAll, beforeAll, describe, test } from "bun:test";
import { ALICE, BOB, type Feature, type Ground, type Subject, TEAM } from "./conformance/case.ts";
import { copying, data, hugeness, truncation } from "./conformance/data.ts";
import { directories, listing, listingKinds } from "./conformance/directories.ts";
import { allocation, seeking } from "./conformance/holes.ts";
import {
  chains,
  hardLinks,
  hardLinksOfOthers,
  removing,
  symbolicLinks,
} from "./conformance/links.ts";
import { locks } from "./conformance/locks.ts";
import { names, paths } from "./conformance/names.ts";
import {
  appending,
  open,
  openOfLinks,
  openSpecial,
  tmpfile,
  tmpfileExclusive,
} from "./conformance/open.ts";
import { modes, owners, ownersOfLinks, setId, setIdOfNew } from "./conformance/owners.ts";
import { exchanging, renaming, renamingLinks, renamingRules } from "./conformance/rename.ts";
import { access, sticky } from "./conformance/rights.ts";
import { space } from "./conformance/space.ts";
import { special } from "./conformance/special.ts";
import {
  changing,
  changingByAllocation,
  changingByXattr,
  setting,
  settingByOthers,
  settingNonsense,
  settingOfLinks,
} from "./conformance/times.ts";
import { fixed, tree } from "./conformance/tree.ts";
import { xattr, xattrOfLinks, xattrRights } from "./conformance/xattr.ts";
import type { Client } from "./support/client.ts";

/** A file system that has been started, and root's view of it. */
export interface Started {
  readonly client: Client;
  close(): Promise<void>;
}

export interface Conformance {
  /** Called once, before the first case. */
  start(): Promise<Started>;
  /**
   * What it has; the cases that need anything else are left out. Without "write" it must hold a file at its root, and
   * is shown to refuse new names.
   */
  readonly features: readonly Feature[];
  /** Cases where the door has rules of its own, as "subject > title", by the reason. Each must exist. */
  readonly except?: Readonly<Record<string, readonly string[]>>;
}

/** A complete file system on a real mount. */
export const EVERYTHING: readonly Feature[] = [
  "write",
  "links",
  "symlinks",
  "special",
  "owners",
  "times",
  "xattr",
  "tmpfile",
  "allocate",
  "holes",
  "exchange",
  "copy",
  "statvfs",
  "kernel",
];

/** A complete file system on the core, where no kernel walks paths or keeps locks. */
export const EVERYTHING_BUT_THE_KERNEL = EVERYTHING.filter((feature) => feature !== "kernel");

const SUBJECTS: readonly Subject[] = [
  open,
  appending,
  openOfLinks,
  openSpecial,
  tmpfile,
  tmpfileExclusive,
  data,
  truncation,
  hugeness,
  copying,
  seeking,
  allocation,
  removing,
  hardLinks,
  hardLinksOfOthers,
  symbolicLinks,
  chains,
  renaming,
  exchanging,
  renamingRules,
  renamingLinks,
  directories,
  listing,
  listingKinds,
  names,
  paths,
  special,
  modes,
  owners,
  ownersOfLinks,
  setId,
  setIdOfNew,
  sticky,
  access,
  setting,
  settingByOthers,
  settingOfLinks,
  settingNonsense,
  changing,
  changingByXattr,
  changingByAllocation,
  xattr,
  xattrRights,
  xattrOfLinks,
  space,
  locks,
];

/**
 * The conformance kit: what POSIX and Linux demand of a file system, as named cases of bun:test. One kit for every plugin
 * and every door: what is tested is whatever `start` gives a client of.
 */
export function conformance(name: string, { start, features, except = {} }: Conformance): void {
  const excepted = new Set(Object.values(except).flat());
  const titles = SUBJECTS.flatMap(({ name, cases }) =>
    Object.keys(cases).map((title) => `${name} > ${title}`),
  );
  const unknown = excepted.difference(new Set(titles));
  if (unknown.size > 0) throw new Error(`there are no cases ${[...unknown].join(", ")}`);
  describe(name, () => {
    let started: Started;
    let count = 0;

    beforeAll(async () => {
      started = await start();
    });
    afterAll(() => started?.close());

    const ground = async (): Promise<Ground> => {
      const as = (uid: number, groups: number[] = []) =>
        started.client.as({ uid, gid: uid, groups, umask: 0 });
      const client = as(0);
      const directory = features.includes("write") ? `/case ${++count}` : "/";
      if (features.includes("write")) await client.mkdir(directory, 0o777);
      const at = (name: string) => `${directory}/${name}`;
      return { client, alice: as(ALICE, [TEAM]), bob: as(BOB), directory, at };
    };
    const subjects = features.includes("write")
      ? SUBJECTS.filter(({ needs }) => needs.every((need) => features.includes(need)))
      : [fixed];
    for (const subject of [...subjects, tree]) {
      describe(subject.name, () => {
        for (const [title, run] of Object.entries(subject.cases)) {
          if (!excepted.has(`${subject.name} > ${title}`))
            test(title, async () => run(await ground()));
        }
      });
    }
  });
}
