import { BlockingSender } from "../../ffi/sender.ts";
import { DeviceEngine } from "../engine.ts";
import { Connection } from "../fuse/connection.ts";
import { MESSAGE_ROOM } from "../fuse/init.ts";
import { FuseServer } from "../fuse/server.ts";
import { FuseUsermount } from "../fuse/usermount.ts";
import type { AnyFileSystem } from "../plugin.ts";
import type { Protocol, Surroundings } from "../protocol.ts";
import type { Report, Wishes } from "../wishes.ts";

/** FUSE over a descriptor of /dev/fuse. */
export class FuseProtocol implements Protocol {
  readonly name = "FUSE";
  readonly usermount: FuseUsermount;
  #connection: Connection | undefined;
  #server: FuseServer | undefined;
  #sender: BlockingSender | undefined;
  #aborted = false;

  constructor(directory: string) {
    this.usermount = new FuseUsermount(directory);
  }

  get served(): Connection | undefined {
    return this.#connection;
  }

  open(fileSystem: AnyFileSystem, wishes: Wishes, report: Report): void {
    this.#connection = new Connection(fileSystem, wishes, report);
  }

  serve(descriptor: number, { ready, warn, detach, engine }: Surroundings): Promise<number> {
    const connection = this.#connection;
    if (!connection) throw new Error("serve() before open()");
    const { companion } = connection.fileSystem;
    const server = new FuseServer(connection);
    const sender = new BlockingSender(descriptor);
    this.#server = server;
    this.#sender = sender;
    connection.agreed = () =>
      setImmediate(() => {
        ready();
        if (!this.#aborted) this.usermount.connect(connection, detach);
      });
    connection.notify = (message) => sender.send(message);
    const made = engine?.({ descriptor, serving: server, room: MESSAGE_ROOM, inPlace: false });
    return (made ?? new DeviceEngine(descriptor, server, MESSAGE_ROOM, warn, companion)).run();
  }

  /** What is at work now, to be answered EIO if it still is when that is called. */
  atWork(): (() => void)[] {
    return this.#server?.atWork() ?? [];
  }

  abort(): void {
    this.#aborted = true;
    this.usermount.disconnect();
    if (this.#connection) this.#connection.notify = undefined;
    this.#server?.abort();
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  /** Notifications to a mount that is gone fail at once, so the thread ends. */
  async release(): Promise<void> {
    await this.#sender?.close();
  }
}
