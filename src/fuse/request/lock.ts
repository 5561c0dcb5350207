import type { Awaitable } from "../../awaitable.ts";
import { EINVAL, type Errno } from "../../errno.ts";
import type { Lock } from "../../operations.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type { FuseCall } from "../call.ts";
import { LkFlags } from "../flags.ts";
import * as r from "../reply.ts";
import type * as wire from "../structs.ts";
import { useFile } from "./hold.ts";

export function getlk(call: FuseCall, argument: Of<typeof wire.LkIn>): Outcome {
  const lock = lockOf(argument);
  if (!lock) return EINVAL;
  useFile(call, argument.fh);
  const { node } = call.connection;
  const answer = node.advlock?.(call.node, "get", lock, argument.owner, kindOf(argument), call);
  return r.after(call, answer as Awaitable<Lock | Errno>, r.lock);
}

export function setlk(
  call: FuseCall,
  argument: Of<typeof wire.LkIn>,
  operation: "set" | "wait",
): Outcome {
  const lock = lockOf(argument);
  if (!lock) return EINVAL;
  useFile(call, argument.fh);
  const { node } = call.connection;
  const answer = node.advlock?.(call.node, operation, lock, argument.owner, kindOf(argument), call);
  return r.after(call, answer as Awaitable<Lock | Errno>, r.empty);
}

function lockOf({ lk }: Of<typeof wire.LkIn>): Lock | undefined {
  const type = LOCK_TYPES[lk.type];
  if (!type || lk.end < lk.start) return undefined;
  const end = lk.end === Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : lk.end;
  return { type, start: lk.start, end, pid: lk.pid };
}

const LOCK_TYPES: readonly Lock["type"][] = ["read", "write", "unlock"];

function kindOf({ lkFlags }: Of<typeof wire.LkIn>): "posix" | "flock" {
  return lkFlags & LkFlags.FLOCK ? "flock" : "posix";
}
