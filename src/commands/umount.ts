import { defineCommand } from "citty";
import { exitCodes, Failure, messageOf, usageFailure } from "../failure.ts";
import { getopt } from "../getopt.ts";
import { findMount, isDead } from "../mountpoint.ts";
import { isAlive, listMounts, type MountRecord } from "../registry.ts";
import { unmount } from "../unmount.ts";
import { flagsOf } from "./flags.ts";

const ARGS = {
  directory: { type: "positional", description: "where it is mounted; several may be given" },
  lazy: { type: "boolean", alias: "l", description: "detach it even if it is busy" },
  grace: {
    type: "string",
    alias: "g",
    valueHint: "seconds",
    description: "wait so long for a busy mount, then detach it",
  },
  dead: { type: "boolean", description: "only if its server is gone: for cleaning up" },
  "at-once": { type: "boolean", description: "do not wait for its server to end" },
} as const;

export const umountCommand = defineCommand({
  meta: { name: "umount", description: "unmount, and wait for the server to end" },
  args: ARGS,
  run: async ({ rawArgs }) => {
    const given = getopt(rawArgs, flagsOf(ARGS));
    const lazy = given.count("lazy") + given.count("l") > 0;
    const graceText = [...given.all("grace"), ...given.all("g")].at(-1);
    const grace = graceText === undefined ? undefined : Number(graceText);
    if (grace !== undefined && !(grace >= 0)) {
      throw usageFailure(`-g takes a number of seconds, not ${JSON.stringify(graceText)}`);
    }
    const failures: string[] = [];
    for (const path of given.rest) {
      try {
        if (given.count("dead") > 0) await unmountDead(path);
        else await unmountOne(path, { lazy, grace }, given.count("at-once") > 0);
      } catch (error) {
        failures.push(messageOf(error));
      }
    }
    if (failures.length > 0) throw new Failure(failures.join("\n"));
    return exitCodes.ok;
  },
});

async function unmountDead(path: string): Promise<void> {
  const { directory } = await findMount(path);
  if (await isDead(directory)) await unmount(directory, { lazy: true });
}

async function unmountOne(
  path: string,
  options: { lazy: boolean; grace: number | undefined },
  atOnce: boolean,
): Promise<void> {
  const { directory } = await findMount(path);
  const server = listMounts().findLast((mount) => mount.directory === directory);
  const outcome = await unmount(directory, options);
  if (outcome === "detached") {
    process.stderr.write(
      `puffs: ${directory} was busy: it is detached, and ends when its last user is done\n`,
    );
  }
  if (server !== undefined && outcome === "unmounted" && !options.lazy && !atOnce)
    await end(server);
}

/** The server has things to put away: give it time, but it cannot hold up the command for good. */
async function end(server: MountRecord): Promise<void> {
  const until = performance.now() + PATIENCE;
  while (
    isAlive(server) &&
    listMounts().some(({ pid, directory }) => pid === server.pid && directory === server.directory)
  ) {
    if (performance.now() > until) {
      throw new Failure(
        `${server.directory}: unmounted, but its server (pid ${server.pid}) does not end`,
      );
    }
    await Bun.sleep(10);
  }
}

const PATIENCE = 30_000;
