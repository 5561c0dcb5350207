import { closeDescriptor } from "../../../ffi/device.ts";
import { replaceProgram, setParentDeathSignal } from "../../../ffi/process.ts";
import { installFilter } from "../../../ffi/seccomp.ts";
import { sendDescriptor } from "../../../ffi/socket.ts";
import { errnoOf } from "../../errno.ts";
import { exitCodes, Failure, failureOf, usageFailure } from "../../failure.ts";
import { type FilterWishes, filterProgram, MACHINES } from "./filter.ts";
import { LAUNCH } from "./words.ts";

/** How a process becomes the daemon, one argument in JSON, before the daemon's command. */
export interface Launch extends FilterWishes {
  /** The daemon's program: a path. */
  readonly program: string;
  /** The process that must still be the parent. */
  readonly parent: number;
  /** A local socket over which the listener of a filter that asks is sent. */
  readonly report: number;
  /** The daemon's descriptors are those below. */
  readonly descriptors: number;
}

/**
 * Become the daemon: it dies with its parent, and is under a filter from its first instruction. Needs a process of its own, on its main
 * thread. Does not return; throws a Failure.
 */
export function launch([order, ...command]: readonly string[]): never {
  if (order === undefined || command.length === 0)
    throw usageFailure(`${LAUNCH} is for this program itself`);
  const { program, parent, report, descriptors, ...wishes }: Launch = JSON.parse(order);
  try {
    setParentDeathSignal("SIGTERM");
    if (process.ppid !== parent) throw new Failure("who started it has gone", exitCodes.system);
    if (wishes.asks || wishes.wholeReplies) underFilter(wishes, report);
    return replaceProgram(program, command, process.env, { descriptors });
  } catch (error) {
    throw failureOf(error, program);
  }
}

function underFilter(wishes: FilterWishes, report: number): void {
  const abis = MACHINES[process.arch];
  if (abis === undefined)
    throw new Failure(`there is no filter for this machine (${process.arch})`);
  try {
    const listens = wishes.asks ?? false;
    const listener = installFilter(filterProgram(abis, wishes), { listens });
    if (!listens) return;
    sendDescriptor(report, listener);
    closeDescriptor(listener);
  } catch (error) {
    if (errnoOf(error) !== "EBUSY") throw error;
    throw new Failure(
      "somebody else decides on its system calls already; try -o route=fd or -o route=fusermount",
      exitCodes.system,
    );
  }
}
