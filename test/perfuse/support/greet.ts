import { closeDescriptor, EAGAIN, receive, send, setNonBlocking } from "../../../ffi/device.ts";
import { Span } from "../../../src/frame.ts";
import { InitFlags, union } from "../../../src/fuse/flags.ts";
import { FuseKernel } from "../../../src/fuse/kernel.ts";

/** A kernel of the simplest kind at a daemon's socket. */
export interface Greeted {
  readonly kernel: FuseKernel;
  /** Closes the socket, which ends the daemon. */
  close(): void;
}

/** Shakes hands with a daemon. Rejects if it does not answer in time, or goes. `heard` is told the bytes of each message that comes. */
export async function greet(
  socket: number,
  minor = 12,
  heard: (length: number) => void = () => {},
): Promise<Greeted> {
  const kernel = new FuseKernel((message) => {
    const sent = send(socket, message, message.length);
    if (sent !== message.length) throw new Error(`sent ${sent} of ${message.length} bytes`);
  });
  setNonBlocking(socket);
  let open = true;
  const buffer = new Uint8Array(1 << 21);
  const pump = async () => {
    while (open) {
      const length = receive(socket, buffer);
      if (length > 0) {
        heard(length);
        kernel.receive(new Span(buffer.subarray(0, length)));
      } else if (length === -EAGAIN) await Bun.sleep(1);
      else break;
    }
    kernel.end();
  };
  void pump();
  const close = () => {
    if (open) closeDescriptor(socket);
    open = false;
  };
  const flags = union(InitFlags.ASYNC_READ, union(InitFlags.DO_READDIRPLUS, InitFlags.DONT_MASK));
  const late = setTimeout(close, 20_000);
  try {
    await kernel.init({ minor, flags, maxReadahead: 1 << 17 });
  } catch (error) {
    close();
    throw error;
  } finally {
    clearTimeout(late);
  }
  return { kernel, close };
}
