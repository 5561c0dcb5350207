/*
 * The library: what puffs(3) has beside the operations, for plugins and for programs that serve a mount themselves. Which function of
 * the C library is which here is in docs/puffs.md.
 */

export { access, accessChmod, accessChown, accessTimes } from "./access.ts";
export { callerOf, isTouching, setback } from "./caller.ts";
export { type Channel, channelOf, type Talkable } from "./channel.ts";
export { Credential, credentialOf, type Identity } from "./credential.ts";
export type { Dispatch } from "./dispatch.ts";
export type { PuffsFlag } from "./flags.ts";
export { FrameBuffer } from "./framebuf.ts";
export {
  drain,
  FrameVector,
  type Framing,
  fill,
  type Sides,
  unmountOnClose,
} from "./framevector.ts";
export type { UsermountInit } from "./init.ts";
export { NodeList, PuffsNode } from "./node.ts";
export { type NullNode, nullLayer } from "./null-layer.ts";
export { type Pathlike, type PathObject, type PathRules, Paths, standardPaths } from "./path.ts";
export {
  createUsermount,
  type UsermountMounting,
  type UsermountServer,
  type UsermountState,
} from "./server.ts";
export { unmountOnSignal } from "./signal.ts";
export { type GivenPaths, type PathFramework, type WithPaths, withPaths } from "./with-paths.ts";
