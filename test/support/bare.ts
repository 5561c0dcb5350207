import type { Log } from "../../src/session.ts";

/** Says nothing to anybody. */
export const silent: Log = { info() {}, warn() {}, error() {} };

/** What a plugin is started with that was given nothing but options. */
export const BARE = {
  source: undefined,
  command: undefined,
  readOnly: false,
  log: silent,
} as const;
