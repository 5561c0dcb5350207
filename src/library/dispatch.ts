import { ENODEV, send } from "../../ffi/device.ts";
import { type Awaitable, then } from "../awaitable.ts";
import type { Engine, EngineParts } from "../engine.ts";
import { Errno } from "../errno.ts";
import { type Frame, frameOf } from "../frame.ts";

/** A request that is to be served: see `Dispatcher`. */
export interface Dispatch {
  /** Serve it: the reply's bytes, undefined where none is due; at once, or as a promise if its operation waits. Once only. */
  exec(): Awaitable<Uint8Array | undefined>;
}

/** The engine of a mount whose program itself reads requests and writes replies (puffs_dispatch_create(3)). */
export class Dispatcher implements Engine {
  readonly #parts: EngineParts;
  readonly #ended = Promise.withResolvers<number>();
  readonly #idle: Frame[] = [];

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Bytes that the longest request may have: a read must have room for it. */
  get room(): number {
    return this.#parts.room;
  }

  run(): Promise<number> {
    return this.#ended.promise;
  }

  /** The reply to the last request is still to be written: the program says when it is done. */
  stop(): void {}

  end(): void {
    this.#ended.resolve(ENODEV);
  }

  send(message: Uint8Array): void {
    const sent = send(this.#parts.descriptor, message, message.length);
    if (sent !== message.length) throw new Errno("EIO");
  }

  create(request: Uint8Array): Dispatch {
    const { serving, room } = this.#parts;
    if (request.length > room) throw new Errno("EMSGSIZE", `${request.length} bytes, of ${room}`);
    const frame = this.#idle.pop() ?? this.#frame();
    frame.request.set(request);
    frame.length = request.length;
    let taken = false;
    return {
      exec: () => {
        if (taken) throw new Errno("EINVAL", "the request was served already");
        taken = true;
        return then(serving.serve(frame), (length) => {
          const reply = length > 0 ? frame.reply.slice(0, length) : undefined;
          if (!frame.lost) this.#idle.push(frame);
          return reply;
        });
      },
    };
  }

  #frame(): Frame {
    const { room, inPlace } = this.#parts;
    const request = new Uint8Array(room);
    return frameOf(request, inPlace ? request : new Uint8Array(room));
  }
}
