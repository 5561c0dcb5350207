/** All that a plugin sees: imported as "puffs". */

export { now } from "../ffi/clock.ts";
export { allocateHugePage, freeHugePage, HUGE_PAGE } from "../ffi/memory.ts";
export type { Awaitable } from "./awaitable.ts";
export type { Companion } from "./companion.ts";
export * from "./errno.ts";
export * from "./library/library.ts";
export * from "./mode.ts";
export * from "./operations.ts";
export {
  type HostedCommand,
  hostCommand,
  type PerfuseNode,
  type RouteName,
} from "./perfuse/hosted-command.ts";
export { type PerfuseMounting, perfuseMount, perfuseOpen } from "./perfuse/open.ts";
export {
  definePlugin,
  type FileSystem,
  type Option,
  type Options,
  type OptionValues,
  type Plugin,
  type StartContext,
} from "./plugin.ts";
export type { Ending, Log } from "./session.ts";
export type { Usermount } from "./usermount.ts";
