import { stat } from "node:fs/promises";
import { resolve } from "node:path";
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
import { AT_FDCWD, directoryOf, numberIn, pathFrom, textIn } from "./caller.ts";
import { type CallName, MACHINES, mayOpenDevice } from "./filter.ts";

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
  readonly #waiter = new Waiter({ hurries: true });
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
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#supervision.warn(`the daemon's system calls are not answered: ${messageOf(error)}`);
    this.close();
  }

  #decide(notification: Notification): void {
    const call = callOf(notification);
    if (call === undefined) this.#leave(notification);
    else if ("target" in call) this.#decideMount(notification, call);
    else this.#decideOpen(notification, call);
  }

  #decideMount(notification: Notification, { target, mounts }: MountCall): void {
    if (!this.#isMountpoint(notification, target)) this.#leave(notification);
    else if (returnFromCall(this.#listener, notification.id, 0) && mounts) this.#release();
  }

  #decideOpen(notification: Notification, call: OpenCall): void {
    // Once something is mounted none is ours.
    if (this.#socket === undefined) {
      this.#leave(notification);
      return;
    }
    const path = this.#textAt(notification, call.path);
    const flags = this.#flagsOf(notification, call);
    if (path === undefined || !mayOpenDevice(flags)) this.#leave(notification);
    else if (path === DEVICE) this.#giveSocket(notification, flags);
    else void this.#decideOther(notification, call, path, flags);
  }

  /** The device may have another name. Looked at off this thread: what is opened may lie on a server that hangs. */
  async #decideOther(
    notification: Notification,
    { directory }: OpenCall,
    path: string,
    flags: number,
  ): Promise<void> {
    const { pid, args } = notification;
    const from = directory === undefined ? AT_FDCWD : Number(BigInt.asIntN(32, args[directory]));
    const device = await isDevice(pathFrom(pid, from, path));
    if (this.#closed) return;
    try {
      if (device) this.#giveSocket(notification, flags);
      else this.#leave(notification);
    } catch (error) {
      this.#fail(error);
    }
  }

  #giveSocket(notification: Notification, flags: number): void {
    const closeOnExec = (flags & O_CLOEXEC) !== 0;
    if (this.#socket === undefined) this.#leave(notification);
    else returnDescriptor(this.#listener, notification.id, this.#socket, { closeOnExec });
  }

  /** It is the kernel's to do. */
  #leave({ id }: Notification): void {
    continueCall(this.#listener, id);
  }

  /** fusermount3 goes to the directory and mounts on ".". */
  #isMountpoint(notification: Notification, argument: Argument): boolean {
    const { mountpoint } = this.#supervision;
    const path = this.#textAt(notification, argument);
    if (path === undefined) return false;
    return resolve(directoryOf(notification.pid) ?? "/", path) === mountpoint;
  }

  /** 0 if there are none to be seen. */
  #flagsOf({ pid, args }: Notification, { flags, how }: OpenCall): number {
    const value = flags === undefined ? numberIn(pid, args[how]) : args[flags];
    return Number(BigInt.asIntN(32, value ?? 0n));
  }

  /** The text that an argument points to; undefined if there is none, or if the call does not wait any more. */
  #textAt({ id, pid, args }: Notification, argument: Argument): string | undefined {
    const text = textIn(pid, args[argument]);
    return isWaiting(this.#listener, id) ? text : undefined;
  }

  /** The daemon has its own: with ours open too, its end would not be the end of the connection. */
  #release(): void {
    if (this.#socket !== undefined) closeDescriptor(this.#socket);
    this.#socket = undefined;
  }
}

type Argument = 0 | 1 | 2 | 3 | 4 | 5;

/** Which argument is what. */
interface MountCall {
  readonly target: Argument;
  readonly mounts: boolean;
}

/** Likewise: the flags are an argument, or the first member of the struct that one points to. */
type OpenCall = {
  readonly path: Argument;
  readonly directory?: Argument;
} & (
  | { readonly flags: Argument; readonly how?: undefined }
  | { readonly flags?: undefined; readonly how: Argument }
);

const CALLS: { readonly [Name in CallName]?: OpenCall | MountCall } = {
  open: { path: 0, flags: 1 },
  openat: { directory: 0, path: 1, flags: 2 },
  openat2: { directory: 0, path: 1, how: 2 },
  mount: { target: 1, mounts: true },
  umount: { target: 0, mounts: false },
  umount2: { target: 0, mounts: false },
};

function callOf({ number, arch }: Notification): OpenCall | MountCall | undefined {
  const abis = MACHINES[process.arch]?.filter((abi) => abi.arch === arch) ?? [];
  for (const name of Object.keys(CALLS) as (keyof typeof CALLS)[]) {
    if (abis.some(({ calls }) => calls[name] === number)) return CALLS[name];
  }
  return undefined;
}

/** Whether a path leads to /dev/fuse, whatever it is called there. */
async function isDevice(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    return found.isCharacterDevice() && found.rdev === FUSE_DEVICE;
  } catch {
    return false;
  }
}

const DEVICE = "/dev/fuse";
/** makedev(3) of misc' major 10 and FUSE_MINOR of <linux/miscdevice.h>. */
const FUSE_DEVICE = (10 << 8) | 229;

// <asm-generic/fcntl.h>
const O_CLOEXEC = 0o2000000;
