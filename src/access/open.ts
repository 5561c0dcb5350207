import { Errno } from "../errno.ts";
import { type Serving, Span } from "../frame.ts";
import { Connection } from "../fuse/connection.ts";
import { InitFlags, union } from "../fuse/flags.ts";
import { connect } from "../fuse/loopback.ts";
import { FuseServer } from "../fuse/server.ts";
import { FuseUsermount } from "../fuse/usermount.ts";
import type { ParsedOptions } from "../options/parse.ts";
import type { AnyPlugin } from "../plugin.ts";
import type { Log } from "../session.ts";
import { commandOf, isReadOnly, optionsFor, sourceOf, startPlugin } from "../start.ts";
import { Client } from "./client.ts";

export interface AccessRequest {
  readonly plugin: AnyPlugin;
  /** What the plugin serves, as given. */
  readonly special?: string | undefined;
  /** Of the mount's options `ro` and `deadline` mean something here; the kernel's own do not. */
  readonly options: ParsedOptions;
  readonly log: Log;
  /** One call per request and reply. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** A file system that was started in this process, without a mount. */
export interface Access {
  readonly client: Client;
  /**
   * End it as an unmount does: what is at work is told to give up, files are closed, nodes reclaimed, `fs.unmount` awaited. Rejects with
   * what that fails with. Calls of the client fail with ENOTCONN from then on. May be called again.
   */
  close(): Promise<void>;
}

/** Start a plugin and play the kernel to it: needs no kernel, no device, no privilege. Rejects with a Failure. */
export async function access(request: AccessRequest): Promise<Access> {
  const { plugin, options, log, trace } = request;
  const source = sourceOf(plugin, request.special, "after a colon");
  // Nothing is mounted: paths begin at the file system's own root.
  const usermount = new FuseUsermount("/");
  const command = commandOf(plugin, undefined);
  const fileSystem = await startPlugin(plugin, { source, command, options, usermount, log });
  const { deadline } = options.mount;
  const wishes = { trace, deadline: deadline === undefined ? undefined : deadline * 1000 };
  const connection = new Connection(fileSystem, wishes, log.error);
  const server = new FuseServer(connection);
  let closed = false;
  const serving: Serving = {
    serve(frame) {
      if (closed) throw new Errno("ENOTCONN");
      return server.serve(frame);
    },
  };
  const kernel = connect(serving, {
    onNotify(notification) {
      // There is no page cache to be retrieved from; of all else there is nothing to be told.
      if (notification.type !== "retrieve") return;
      const { notifyUnique, nodeid, offset } = notification;
      kernel.notifyReply(Number(notifyUnique), nodeid, offset, new Uint8Array(0));
    },
  });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= end();
    return closing;
  };
  const end = async () => {
    usermount.disconnect();
    connection.notify = undefined;
    server.abort();
    const patience = Date.now() + FAREWELL;
    while (connection.pending.size > 0 && Date.now() < patience) await Bun.sleep(5);
    await kernel.destroy();
    closed = true;
    kernel.end();
    await server.close();
    const outcome = await connection.fs.unmount?.();
    if (outcome instanceof Errno) throw outcome;
  };
  await kernel.init({ flags: union(InitFlags.BIG_WRITES, InitFlags.MAX_PAGES) });
  connection.notify = async (message) => {
    kernel.receive(new Span(message));
    return message.length;
  };
  usermount.connect(connection, close);
  return { client: new Client(kernel, isReadOnly(optionsFor(fileSystem, options))), close };
}

/** Milliseconds that operations get to end once they are told to. */
const FAREWELL = 2000;
