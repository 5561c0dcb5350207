import { isPromise } from "../awaitable.ts";
import { Errno } from "../errno.ts";
import { type Frame, frameOf, type Serving } from "../frame.ts";
import { type KernelEvents, PuffsKernel } from "./kernel.ts";
import { acceptKargs } from "./mounted.ts";

/**
 * Play the kernel to `serving` without one, mounted with `kargs`: each request goes in a frame of its own, where the reply is made,
 * and comes back in the same turn or when the server's promise settles. What the server's session would write unasked goes to
 * the kernel's `receive`. Throws EINVAL for arguments that no kernel takes.
 */
export function connect(
  serving: Serving,
  kargs: Uint8Array,
  events: KernelEvents = {},
): PuffsKernel {
  const mount = acceptKargs(kargs);
  const idle: Frame[] = [];
  const send = (message: Uint8Array) => {
    if (message.length > mount.maxmsglen) throw new Errno("EMSGSIZE");
    const frame = idle.pop() ?? inPlace(mount.maxmsglen);
    frame.request.set(message);
    frame.length = message.length;
    const replied = (length: number) => {
      if (length > 0) kernel.receive(frame.reply.subarray(0, length));
      if (!frame.lost) idle.push(frame);
    };
    const length = serving.serve(frame);
    if (isPromise(length)) length.then(replied);
    else replied(length);
  };
  const kernel = new PuffsKernel(send, mount, events);
  return kernel;
}

/** Request and reply are the same bytes. */
function inPlace(size: number): Frame {
  const bytes = new Uint8Array(size);
  return frameOf(bytes, bytes);
}
