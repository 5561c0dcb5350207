import { Errno } from "../errno.ts";
import { viewOf } from "../frame.ts";
import type { Of } from "../struct.ts";
import { NETBSD } from "./errno.ts";
import { type Decode, nameOf, type Question } from "./exchange.ts";
import { Constants, Err, MountFlags, Opclass, Vfs, Vn, Waitfor } from "./flags.ts";
import { KernelNodes } from "./kernel-nodes.ts";
import {
  type Caller,
  type ComponentName,
  compose,
  type Layout,
  NOCRED,
  putComponentName,
  putCred,
  putText,
  Refusal,
} from "./message.ts";
import * as wire from "./structs.ts";

/** A struct of a message with a credential in it. */
export type WithCred<T> = Layout<T> & { readonly offsets: { readonly cred: number } };
export type WithName<T> = Layout<T> & {
  readonly offsets: { readonly cn: number; readonly cnCred: number };
};

/** The requests about the mount as a whole, and what all requests are made with. */
export abstract class KernelMount extends KernelNodes {
  statvfs(caller: Caller = NOCRED): Promise<Of<typeof wire.Statvfs>> {
    const { VfsmsgStatvfs: layout } = wire;
    return this.vfs(Vfs.STATVFS, 0, caller, compose(layout), (bytes) => readAll(layout, bytes).sb);
  }

  /** `waitfor`: one of Waitfor. */
  sync(waitfor: number = Waitfor.WAIT, caller: Caller = NOCRED): Promise<void> {
    const message = withCred(wire.VfsmsgSync, { waitfor }, caller);
    return this.vfs(Vfs.SYNC, 0, caller, message, nothing);
  }

  /** The request alone: `detach` is the whole of unmount(2). */
  unmount(flags = 0): Promise<void> {
    return this.vfs(Vfs.UNMOUNT, 0, NOCRED, compose(wire.VfsmsgUnmount, { flags }), nothing);
  }

  /**
   * unmount(2), nothing being cached: SYNC, RECLAIM of all nodes, UNMOUNT; then everything fails. Rejects, and nothing has
   * ended, if the server refuses and `force` is not set.
   */
  async detach(force = false): Promise<void> {
    await this.sync().catch(() => {});
    if (this.has(Vn.INACTIVE)) await this.release(this.root);
    for (const cookie of [...this.nodes.keys()]) this.reclaim(cookie);
    try {
      await this.unmount(force ? MountFlags.FORCE : 0);
    } catch (error) {
      if (!force) throw error;
    }
    this.end();
  }

  /** The node that a file handle is of. */
  fhtonode(handle: Uint8Array, caller: Caller = NOCRED) {
    const { VfsmsgFhtonode: layout } = wire;
    const message = compose(layout, { dsize: handle.length }, handle.length);
    message.set(handle, layout.offsets.data);
    return this.vfs(Vfs.FHTOVP, 0, caller, message, (bytes) => {
      const { fhcookie, vtype, size, rdev } = readAll(layout, bytes);
      this.found(fhcookie, vtype, size, false);
      return { fhcookie, vtype, size, rdev };
    });
  }

  /** The file handle of a node, `room` bytes at most. */
  nodetofh(cookie: number, room: number, caller: Caller = NOCRED): Promise<Uint8Array> {
    const { VfsmsgNodetofh: layout } = wire;
    const message = compose(layout, { fhcookie: cookie, dsize: room }, room);
    const take: Decode<Uint8Array> = (bytes, length) => {
      const { dsize } = readAll(layout, bytes);
      return data(bytes, length, layout.offsets.data, dsize, room, Err.VPTOFH);
    };
    return this.vfs(Vfs.VPTOFH, 0, caller, message, take);
  }

  /** How long the file handle of a node is, as getfh(2) asks first: with no room, for the length in the reply that says E2BIG. */
  handleSize(cookie: number, caller: Caller = NOCRED): Promise<number> {
    const { VfsmsgNodetofh: layout } = wire;
    const message = compose(layout, { fhcookie: cookie });
    const take: Decode<number> = (bytes) => {
      const rv = viewOf(bytes).getInt32(wire.PuffsReq.offsets.rv, true);
      if (rv !== 0 && rv !== NETBSD.E2BIG) throw new Errno(nameOf(rv));
      return readAll(layout, bytes).dsize;
    };
    const about = { opclass: Opclass.VFS, optype: Vfs.VPTOFH, cookie: 0, caller, message };
    return this.ask({ ...about, decode: take, always: true });
  }

  extattrctl(
    cmd: number,
    cookie: number,
    attrnamespace: number,
    attrname: string,
    flags: number,
  ): Promise<void> {
    const { VfsmsgExtattrctl: layout } = wire;
    const message = compose(layout, { cmd, attrnamespace, flags });
    putText(message, layout.offsets.attrname, attrname, Constants.EXTNAMELEN);
    return this.vfs(Vfs.EXTATTRCTL, cookie, NOCRED, message, nothing);
  }

  protected require(optype: number): void {
    if (!this.has(optype)) throw new Errno("EOPNOTSUPP");
  }

  protected vfs<T>(
    optype: number,
    cookie: number,
    caller: Caller,
    message: Uint8Array,
    decode: Decode<T>,
  ): Promise<T> {
    return this.ask({ opclass: Opclass.VFS, optype, cookie, caller, message, decode });
  }

  protected vn<T>(
    optype: number,
    cookie: number,
    caller: Caller,
    message: Uint8Array,
    decode: Decode<T>,
    rest: Pick<Question<T>, "more" | "second" | "always"> = {},
  ): Promise<T> {
    return this.ask({ opclass: Opclass.VN, optype, cookie, caller, message, decode, ...rest });
  }
}

export function withCred<T extends object>(
  layout: WithCred<T>,
  fields: Partial<T>,
  caller: Caller,
  more = 0,
): Uint8Array {
  const message = compose(layout, fields, more);
  putCred(message, layout.offsets.cred, caller);
  return message;
}

export function withName<T extends object>(
  layout: WithName<T>,
  fields: Partial<T>,
  cn: ComponentName,
  caller: Caller,
): Uint8Array {
  const message = compose(layout, fields);
  putComponentName(message, layout.offsets.cn, cn);
  putCred(message, layout.offsets.cnCred, caller);
  return message;
}

export function readAll<T>(layout: Layout<T>, bytes: Uint8Array): T {
  return layout.read(viewOf(bytes), 0);
}

/** `got` bytes from `at` on. More than were asked for, or sent, are the fault of the server. */
export function data(
  bytes: Uint8Array,
  length: number,
  at: number,
  got: number,
  asked: number,
  type: number,
): Uint8Array {
  if (got < 0) throw new Refusal("resid grew", type, "E2BIG");
  if (got > asked) throw new Refusal(`${got} bytes where ${asked} were asked for`, type, "E2BIG");
  if (at + got > length && got > 0) throw new Refusal(`${got} bytes, and not all were sent`, type);
  return bytes.slice(at, at + got);
}

export const nothing: Decode<void> = () => undefined;
