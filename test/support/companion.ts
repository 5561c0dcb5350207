import { closeDescriptor, receive, setNonBlocking } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";

/** One end of a socket pair as where operations get their answers, a byte each; `far` is the end of whoever answers. */
export function playCompanion() {
  const [descriptor, far] = socketPair("seqpacket");
  for (const fd of [descriptor, far]) setNonBlocking(fd);
  const waiting: ((answer: number) => void)[] = [];
  const buffer = new Uint8Array(64);
  return {
    far,
    descriptor,
    queued: false,
    selfless: false,
    get waiting() {
      return waiting.length;
    },
    readable() {
      let found = false;
      while (receive(descriptor, buffer) > 0) {
        found = true;
        waiting.shift()?.(buffer[0] ?? 0);
      }
      return found;
    },
    ask: () => new Promise<number>((resolve) => waiting.push(resolve)),
    close() {
      for (const fd of [descriptor, far]) closeDescriptor(fd);
    },
  };
}
