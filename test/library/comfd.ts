import { closeDescriptor, setNonBlocking } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { S_IFDIR, S_IFREG } from "../../src/mode.ts";
import type { Attributes } from "../../src/operations.ts";
import type { Handshake } from "../../src/puffs/handshake.ts";
import type { KernelEvents, PuffsKernel } from "../../src/puffs/kernel.ts";
import { acceptKargs, type Mounted } from "../../src/puffs/mounted.ts";
import { handshakeOf, playKernel, type Wire } from "../support/kernel-end.ts";

/** Something that mounts: a server of the library. */
interface Mounting {
  mount(directory: string, options?: { byHand?: boolean; options?: string }): Promise<void>;
  mainloop(): Promise<unknown>;
  exit(): Promise<void>;
}

export interface AtKernel {
  readonly kernel: PuffsKernel;
  readonly handshake: Handshake;
  readonly mounted: Mounted;
}

interface Playing {
  readonly byHand?: boolean;
  readonly events?: KernelEvents;
  /** `theirs`: the server's end. */
  readonly wire?: (theirs: number) => Wire;
}

/**
 * Mount `server` in this process, over a socket pair that PUFFS_COMFD names, with the test in the kernel's role; and see to it that
 * it has ended afterwards.
 */
export async function onComfd(
  server: Mounting,
  run: (at: AtKernel) => Promise<void>,
  { byHand = false, events = {}, wire }: Playing = {},
): Promise<void> {
  const [end, theirs] = socketPair("stream");
  setNonBlocking(end);
  process.env.PUFFS_COMFD = String(theirs);
  const mounting = server.mount("somewhere", { byHand });
  try {
    const handshake = await handshakeOf(end);
    await mounting;
    const mounted = acceptKargs(handshake.kargs);
    const { kernel, over } = playKernel(end, mounted, events, wire?.(theirs));
    try {
      await run({ kernel, handshake, mounted });
    } finally {
      if (byHand) await server.exit();
      else {
        await kernel.detach().catch(() => {});
        await server.mainloop();
      }
      await over;
    }
  } finally {
    delete process.env.PUFFS_COMFD;
    closeDescriptor(end);
  }
}

export const CALLER = { uid: 0, gid: 0, groups: [], pid: 42, lid: 1 };

const time = { sec: 1, nsec: 0 };
const common = { uid: 0, gid: 0, size: 0, atime: time, mtime: time, ctime: time };

export const DIRECTORY: Attributes = { ...common, mode: S_IFDIR | 0o755, nlink: 2 };
export const FILE: Attributes = { ...common, mode: S_IFREG | 0o644, nlink: 1 };
