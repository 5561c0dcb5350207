import type { AnyFileSystem } from "../plugin.ts";
import type { Protocol, Surroundings } from "../protocol.ts";
import { Connection } from "../puffs/connection.ts";
import { Constants } from "../puffs/flags.ts";
import { PuffsServer } from "../puffs/server.ts";
import { PuffsUsermount } from "../puffs/usermount.ts";
import { StreamEngine } from "../stream.ts";
import type { Report, Wishes } from "../wishes.ts";

/** puffs over a descriptor of /dev/puffs or a stream. There is nothing to agree on: the kernel was told all as it mounted. */
export class PuffsProtocol implements Protocol {
  readonly name = "puffs";
  readonly usermount: PuffsUsermount;
  #connection: Connection | undefined;
  #server: PuffsServer | undefined;

  constructor(directory: string) {
    this.usermount = new PuffsUsermount(directory);
  }

  get served(): Connection | undefined {
    return this.#connection;
  }

  open(fileSystem: AnyFileSystem, wishes: Wishes, report: Report): void {
    this.#connection = new Connection(fileSystem, wishes, report);
  }

  serve(descriptor: number, { ready, warn, engine: make }: Surroundings): Promise<number> {
    const connection = this.#connection;
    if (!connection) throw new Error("serve() before open()");
    const { companion } = connection.fileSystem;
    this.#server = new PuffsServer(connection);
    const parts = { descriptor, serving: this.#server, room: LONGEST_MESSAGE, inPlace: true };
    const engine =
      make?.(parts) ?? new StreamEngine(descriptor, this.#server, LONGEST_MESSAGE, warn, companion);
    connection.send = (message) => engine.send(message);
    connection.forgetNames = (directory) => {
      const forgotten = this.usermount.invalidateNames(directory);
      forgotten.catch((cause) => connection.report("names in the kernel's cache", cause));
    };
    connection.unmounted = () => engine.stop();
    this.usermount.connect(connection);
    ready();
    return engine.run();
  }

  abort(): void {
    this.usermount.disconnect();
    if (this.#connection) this.#connection.send = undefined;
    this.#server?.abort();
  }

  async close(): Promise<void> {
    this.#server?.close();
  }

  async release(): Promise<void> {}
}

/** More than the kernel ever sends or takes. */
const LONGEST_MESSAGE = Constants.MSG_MAXSIZE + Constants.MSGSTRUCT_MAX;
