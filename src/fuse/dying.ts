import { readFileSync } from "node:fs";
import type { FuseCall } from "./call.ts";

/**
 * The kernel lets no caller go whose request was read, not even one that is being killed (fs/fuse/dev.c: request_wait_answer): it stays
 * for as long as the operation. One that is dying will not see the answer, so after a moment it is given one.
 */
export function releaseWhenDying(call: FuseCall): void {
  const { giveUp, pid } = call;
  const timer = setInterval(() => {
    if (call.giveUp !== giveUp || call.answered) clearInterval(timer);
    else if (isDying(pid)) giveUp?.("EINTR", "interrupted");
  }, MOMENT);
  timer.unref();
}

/** Milliseconds: an operation that heeds its signal has ended by then. */
const MOMENT = 500;

/** SIGKILL, as a bit of SigPnd (proc_pid_status(5)). */
const KILLED = 0x100;

/**
 * Whether a thread is about to be killed. Every signal that kills, but those that dump core, is turned into a SIGKILL for each
 * thread (kernel/signal.c: complete_signal). False for threads of other pid namespaces, of which nothing is known.
 */
function isDying(thread: number): boolean {
  try {
    const status = readFileSync(`/proc/${thread}/status`, "latin1");
    const [, pending = "0"] = /^SigPnd:\s*[0-9a-f]*([0-9a-f]{3})$/m.exec(status) ?? [];
    return (Number.parseInt(pending, 16) & KILLED) !== 0;
  } catch {
    return false;
  }
}
