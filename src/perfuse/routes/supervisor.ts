import { closeSync, openSync, readlinkSync, readSync } from "node:fs";
import { closeDescriptor, hasHungUp, waitReadable } from "../../../ffi/device.ts";
import {
  continueCall,
  isWaiting,
  type Notification,
  receiveNotification,
  returnDescriptor,
  returnFromCall,
} from "../../../ffi/seccomp.ts";
import { Waiter } from "../../../ffi/waiter.ts";
import { messageOf } from "../../failure.ts";
import { type CallName, MACHINES } from "./filter.ts";

/** What a daemon under a filter that asks is told. */
export interface Supervision {
  /** Given out for each open of /dev/fuse until something is mounted, and closed then: what is open here is not the daemon's. */
  readonly socket: number;
  /** Where the daemon believes to mount. */
  readonly mountpoint: string;
  readonly warn: (message: string) => void;
}

/** Decides the system calls of a daemon, and of all programs it starts, until `close`. */
export class Supervisor {
  readonly #listener: number;
  readonly #supervision: Supervision;
  readonly #waiter = new Waiter();
  #socket: number | undefined;
  #closed = false;

  /** `listener` is that of the daemon's filter, and this supervisor's from now on. */
  constructor(listener: number, supervision: Supervision) {
    this.#listener = listener;
    this.#supervision = supervision;
    this.#socket = supervision.socket;
    this.#listen();
  }

  /** What the filter names fails with ENOSYS from now on: the daemon should be gone. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiter.cancel();
    this.#waiter.close();
    closeDescriptor(this.#listener);
    this.#release();
  }

  #listen(): void {
    if (!this.#closed) this.#waiter.wait([this.#listener], () => this.#answer());
  }

  #answer(): void {
    if (this.#closed) return;
    try {
      // Looked at each time: to receive a call that was interrupted meanwhile would be to wait for the next.
      while (waitReadable(this.#listener, 0)) {
        // Nobody is left under the filter.
        if (hasHungUp(this.#listener)) {
          this.close();
          return;
        }
        const notification = receiveNotification(this.#listener);
        if (notification !== null) this.#decide(notification);
      }
      this.#listen();
    } catch (error) {
      this.#supervision.warn(`the daemon's system calls are not answered: ${messageOf(error)}`);
      this.close();
    }
  }

  #decide(notification: Notification): void {
    const name = nameOf(notification);
    const ours = name !== undefined && this.#answerIfOurs(notification, name);
    if (!ours) continueCall(this.#listener, notification.id);
  }

  /** False if it is the kernel's to do. */
  #answerIfOurs(notification: Notification, name: CallName): boolean {
    const { id, args } = notification;
    if (name === "open" || name === "openat") {
      const [path, flags] = name === "open" ? [0, 1] : [1, 2];
      if (this.#socket === undefined || this.#textAt(notification, path) !== DEVICE) return false;
      const closeOnExec = (Number(args[flags]) & O_CLOEXEC) !== 0;
      returnDescriptor(this.#listener, id, this.#socket, { closeOnExec });
      return true;
    }
    if (!this.#isMountpoint(notification, name === "mount" ? 1 : 0)) return false;
    returnFromCall(this.#listener, id, 0);
    if (name === "mount") this.#release();
    return true;
  }

  /** fusermount3 goes to the directory and mounts on ".". */
  #isMountpoint(notification: Notification, argument: number): boolean {
    const { mountpoint } = this.#supervision;
    const path = this.#textAt(notification, argument);
    return path === mountpoint || (path === "." && directoryOf(notification.pid) === mountpoint);
  }

  /** The text that an argument points to; undefined if there is none, or if the call does not wait any more. */
  #textAt({ id, pid, args }: Notification, argument: number): string | undefined {
    const text = readText(pid, args[argument] ?? 0n);
    return isWaiting(this.#listener, id) ? text : undefined;
  }

  /** The daemon has its own: with ours open too, its end would not be the end of the connection. */
  #release(): void {
    if (this.#socket !== undefined) closeDescriptor(this.#socket);
    this.#socket = undefined;
  }
}

function nameOf({ number, arch }: Notification): CallName | undefined {
  const machine = MACHINES[process.arch];
  if (machine?.arch !== arch) return undefined;
  return NAMES.find((name) => machine.calls[name] === number);
}

function directoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** A NUL-terminated text in another process' memory, up to PATH_MAX; undefined if it cannot be read. */
function readText(pid: number, address: bigint): string | undefined {
  let memory: number | undefined;
  try {
    memory = openSync(`/proc/${pid}/mem`, "r");
    const text = Buffer.alloc(PATH_MAX);
    for (let length = 0; length < PATH_MAX; ) {
      // Not beyond a page: the next one need not be there.
      const position = address + BigInt(length);
      const room = PAGE - Number(position % BigInt(PAGE));
      const count = readSync(memory, text, length, Math.min(room, PATH_MAX - length), position);
      if (count === 0) return undefined;
      const end = text.indexOf(0, length);
      length += count;
      if (end !== -1 && end < length) return text.toString("utf8", 0, end);
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    if (memory !== undefined) closeSync(memory);
  }
}

const NAMES = ["open", "openat", "mount", "umount2"] as const;
const DEVICE = "/dev/fuse";
const PATH_MAX = 4096;
/** The smallest page of the supported machines. */
const PAGE = 4096;
// <asm-generic/fcntl.h>; node has no name for it.
const O_CLOEXEC = 0o2000000;
