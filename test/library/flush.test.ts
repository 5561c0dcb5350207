import { expect, test } from "bun:test";
import type { Connection } from "../../src/fuse/connection.ts";
import { FuseUsermount } from "../../src/fuse/usermount.ts";
import { Vnodes } from "../../src/nodes.ts";

/*
 * What puffs_flush(3) has and Linux has not, on FUSE. On puffs: server.test.ts; on a real mount: server.mount.test.ts.
 */

const failing = (code: string) => expect.objectContaining({ code });

/** A hold on a mount whose kernel speaks 7.`minor`, and what it was sent: the code of each notification. */
function usermount(minor: number) {
  const root = {};
  const sent: DataView[] = [];
  const held = new FuseUsermount("/");
  const connection = {
    agreement: { minor },
    vnodes: new Vnodes(root, () => {}),
    retrieving: new Map(),
    notify: async (message: Uint8Array) => {
      sent.push(new DataView(message.buffer, message.byteOffset, message.length));
      return message.length;
    },
  };
  held.connect(connection as unknown as Connection, async () => {});
  const codes = () => sent.map((view) => view.getInt32(4, true));
  return { held, root, codes, sent };
}

// enum fuse_notify_code of <linux/fuse.h>
const INVAL_INODE = 2;
const INC_EPOCH = 8;

test("all names of the mount are forgotten for those of a directory", async () => {
  const { held, root, codes } = usermount(44);
  await held.invalidateNames(root);
  expect(codes()).toEqual([INC_EPOCH]);
  const { held: old } = usermount(43);
  await expect(old.invalidateNames(root)).rejects.toThrow(failing("ENOSYS"));
});

test("what is to be written is written by being forgotten", async () => {
  const { held, root, codes, sent } = usermount(45);
  await held.flushNode(root, 4096, 8192);
  expect(codes()).toEqual([INVAL_INODE]);
  // struct fuse_notify_inval_inode_out behind the header of 16 bytes: ino, off, len
  const view = sent[0] as DataView;
  expect([16, 24, 32].map((at) => Number(view.getBigInt64(at, true)))).toEqual([1, 4096, 8192]);
  await expect(held.flushNode(root, -1)).rejects.toThrow(failing("EINVAL"));
});

test("there is no suspending", async () => {
  const { held } = usermount(45);
  await expect(held.suspend()).rejects.toThrow(failing("ENOSYS"));
});
