import memfs from "../../plugins/memfs/memfs.ts";
import type { Frame } from "../../src/frame.ts";
import { S_IFDIR, S_IFREG } from "../../src/mode.ts";
import type { FileSystemOperations, NodeOperations } from "../../src/operations.ts";
import { parseOptions } from "../../src/options/parse.ts";
import type { AnyFileSystem, AnyPlugin } from "../../src/plugin.ts";
import { Connection } from "../../src/puffs/connection.ts";
import type { ProtocolFault } from "../../src/puffs/exchange.ts";
import { Nameiop } from "../../src/puffs/flags.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import { connect } from "../../src/puffs/loopback.ts";
import { kargs } from "../../src/puffs/mount.ts";
import { PuffsServer } from "../../src/puffs/server.ts";
import * as wire from "../../src/puffs/structs.ts";
import { read64 } from "../../src/puffs/word.ts";
import type { Usermount } from "../../src/usermount.ts";
import type { Wishes } from "../../src/wishes.ts";
import { BARE } from "../support/bare.ts";

/*
 * A file system behind a server, and the kernel's role before it, in one process.
 */

export const ROOT = { uid: 0, gid: 0, groups: [], pid: 1, lid: 1 };
export const ALICE = { uid: 1000, gid: 1000, groups: [], pid: 2, lid: 1 };
export const BOB = { uid: 1001, gid: 1001, groups: [], pid: 3, lid: 1 };
export const TIME = { sec: 1, nsec: 0 };

export interface Rig {
  readonly kernel: PuffsKernel;
  readonly connection: Connection;
  readonly server: PuffsServer;
  readonly reports: string[];
  /** What the kernel has against the server. */
  readonly faults: ProtocolFault[];
  /** How many messages the server got. */
  asked(): number;
  /** The numbers of the requests that were answered, in order. */
  readonly answered: number[];
  /** Of the last reply. */
  setbacks(): number;
}

/** `meddle`: with each message of the kernel's before it is served. */
export function rig(
  fileSystem: AnyFileSystem,
  wishes: Wishes = {},
  meddle: (frame: Frame) => void = () => {},
): Rig {
  const reports: string[] = [];
  const connection = new Connection(fileSystem, wishes, (message) => reports.push(message));
  const server = new PuffsServer(connection);
  const faults: ProtocolFault[] = [];
  const answered: number[] = [];
  const { id, setbacks } = wire.PuffsReq.offsets;
  let last = 0;
  let asked = 0;
  const serve = (frame: Frame) => {
    asked++;
    meddle(frame);
    const replied = (length: number) => {
      if (length === 0) return length;
      answered.push(read64(frame.replyView, id));
      last = frame.replyView.getUint32(setbacks, true);
      return length;
    };
    const length = server.serve(frame);
    return typeof length === "number" ? replied(length) : length.then(replied);
  };
  const args = kargs(connection, { type: "test", source: "test" });
  const kernel = connect({ serve }, args, { onFault: (fault) => faults.push(fault) });
  connection.send = (message) => kernel.receive(message);
  const counts = { asked: () => asked, setbacks: () => last };
  return { kernel, connection, server, reports, faults, answered, ...counts };
}

export async function memory(options: string[] = ["mode=755"]): Promise<AnyFileSystem> {
  const plugin: AnyPlugin = memfs;
  return plugin.start({
    options: parseOptions(options, plugin.options).plugin,
    ...BARE,
    usermount: {} as Usermount,
  });
}

/** One directory, one file, and whatever operations. */
export function system(
  node: Partial<NodeOperations<object>>,
  fs: FileSystemOperations<object> = {},
): AnyFileSystem & { file: object } {
  const root = {};
  const file = {};
  const attributes = { nlink: 1, uid: 0, gid: 0, size: 3, atime: TIME, mtime: TIME, ctime: TIME };
  return {
    root,
    file,
    fs,
    node: {
      lookup: (_, name) => (name === "file" ? file : null),
      getattr: (one) => ({ ...attributes, mode: one === root ? S_IFDIR | 0o755 : S_IFREG | 0o666 }),
      ...node,
    },
  };
}

export const find = (
  kernel: PuffsKernel,
  name: string,
  nameiop: number = Nameiop.LOOKUP,
  who = ROOT,
) => kernel.lookup(kernel.root, { name, nameiop }, who);
export const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "OK",
    (error) => error.code as string,
  );
