import { exitCodes, messageOf } from "./failure.ts";
import type { LiveMount } from "./mount.ts";
import type { Log } from "./session.ts";

/** What `unmountOnSignals` does; and SIGUSR1 logs the statistics. */
export function handleSignals(live: LiveMount, grace: number, log: Log): void {
  unmountOnSignals(live, grace, log);
  process.on("SIGUSR1", () => {
    for (const line of live.session.statistics.lines()) log.info(line);
  });
}

/**
 * SIGINT, SIGTERM and SIGHUP unmount: the first asks, and detaches a mount that stays busy for the grace time (seconds); the
 * second detaches at once; the third ends the program whoever still uses the mount.
 */
export function unmountOnSignals(live: LiveMount, grace: number, log: Log): void {
  let received = 0;
  const end = async (signal: string) => {
    received++;
    if (received === 1) {
      log.info(`${signal}: unmounting ${live.directory}`);
      // Only a busy mount is still there after a while.
      const slow = setTimeout(() => {
        log.warn(
          `${live.directory} is busy; it is detached in ${grace} s, or now by another signal`,
        );
      }, NOTICE);
      await live.unmount(grace).finally(() => clearTimeout(slow));
    } else if (received === 2) {
      log.warn(`${signal}: detaching ${live.directory}`);
      await live.unmount(0);
    } else {
      log.error(`${signal}: ending at once`);
      process.exit(128);
    }
  };
  for (const signal of ENDING) {
    process.on(signal, () => {
      end(signal).catch((error) => log.error(messageOf(error)));
    });
  }
}

/** While `action` brings the mount up the same signals end the program: there is nothing to unmount, and what was begun is put away at its exit. */
export async function endOnSignals<T>(action: () => Promise<T>, log: Log): Promise<T> {
  const end = (signal: string) => {
    log.error(`${signal}: nothing was mounted`);
    process.exit(exitCodes.interrupted);
  };
  for (const signal of ENDING) process.on(signal, end);
  try {
    return await action();
  } finally {
    for (const signal of ENDING) process.off(signal, end);
  }
}

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const NOTICE = 500;
