import { isPromise } from "../awaitable.ts";
import { type Frame, frameOf, type Serving, Span } from "../frame.ts";
import { FuseKernel, type KernelEvents } from "./kernel.ts";

/** The largest message: 1 MiB of data, and a page for what goes before it. */
const FRAME = 2 ** 20 + 4096;

/**
 * Play the kernel to `serving` without one, and without any privilege: each request goes in a frame of its own, and the
 * reply comes back in the same turn or when the server's promise settles. Begin with `init`. What the server's session would
 * write to /dev/fuse unasked goes to the kernel's `receive`.
 */
export function connect(serving: Serving, events: KernelEvents = {}): FuseKernel {
  const idle: Frame[] = [];
  const kernel = new FuseKernel((message) => {
    const frame = idle.pop() ?? frameOf(new Uint8Array(FRAME), new Uint8Array(FRAME));
    frame.request.set(message);
    frame.length = message.length;
    const replied = (length: number) => {
      if (length > 0) kernel.receive(new Span(frame.reply, frame.replyView, 0, length));
      if (!frame.lost) idle.push(frame);
    };
    const length = serving.serve(frame);
    if (isPromise(length)) length.then(replied);
    else replied(length);
  }, events);
  return kernel;
}
