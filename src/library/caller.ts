import { Errno } from "../errno.ts";
import type { Call } from "../operations.ts";
import { Setback } from "../puffs/flags.ts";

/** The process and lightweight process (LWP) behind a call, 0 for none (puffs_cc_getcaller). On Linux a thread's number stands for both. */
export function callerOf(call: Call): { readonly pid: number; readonly lwp: number } {
  const { lwp = call.pid } = call as Call & { readonly lwp?: number };
  return { pid: call.pid, lwp };
}

/**
 * Within `setattr`: whether both times are to be now, as utimes(2) without times asks (VA_UTIMES_NULL), which whoever may write may do. For
 * `accessTimes`. With write-back Linux does not tell.
 */
export function isTouching(call: Call): boolean {
  return (call as Call & { readonly touching?: boolean }).touching ?? false;
}

export type SetbackName = keyof typeof Setback;

/** What of a puffs call the reply is made of. */
interface SetbackCall {
  setbacks: number;
  readonly row: { readonly name: string };
  readonly vnode: { readonly node: object };
  readonly target: { readonly node: object } | undefined;
  readonly connection: { readonly inactiveWanted: WeakSet<object> };
}

/**
 * Ask the kernel for more than the answer says (puffs_setback(3)), within open, mmap, remove or rmdir: INACT_N1 to be told when the
 * node is inactive, once: `inactive(node, undefined)` is called if nothing was open; where the mount has IAONDEMAND the kernel tells
 * it only then. NOREF_N1 to be rid of it as soon as it is. N2 is the node that a name was taken of. An error is answered without.
 * The framework asks by itself for what it knows. Means nothing on FUSE. Throws EINVAL in other operations.
 */
export function setback(call: Call, ...names: readonly SetbackName[]): void {
  if (!("setbacks" in call)) return;
  const puffs = call as unknown as SetbackCall;
  if (!ALLOWED.has(puffs.row.name)) throw new Errno("EINVAL", `no setbacks in ${puffs.row.name}`);
  const { inactiveWanted } = puffs.connection;
  for (const name of names) puffs.setbacks |= Setback[name];
  if (names.includes("INACT_N1")) inactiveWanted.add(puffs.vnode.node);
  if (names.includes("INACT_N2") && puffs.target) inactiveWanted.add(puffs.target.node);
}

const ALLOWED: ReadonlySet<string> = new Set(["OPEN", "MMAP", "REMOVE", "RMDIR"]);
