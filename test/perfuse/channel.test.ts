import { expect, test } from "bun:test";
import { closeDescriptor, EAGAIN, receive, setNonBlocking } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { Channel } from "../../src/perfuse/channel.ts";

test("what the socket does not take at once goes out later as it was, in its order, though its bytes are used again", async () => {
  const [near, far] = socketPair("seqpacket");
  setNonBlocking(far);
  const channel = new Channel({ descriptor: near, room: 4096, receive() {}, ended() {} });
  try {
    const message = new Uint8Array(1000);
    let sent = 0;
    // A hundred of them find the socket full.
    for (let full = 0; full < 100; full += channel.queued ? 1 : 0)
      channel.send(message.fill(sent++ % 251));
    const buffer = new Uint8Array(4096);
    for (let got = 0; got < sent; ) {
      const length = receive(far, buffer);
      if (length === -EAGAIN) {
        await Bun.sleep(1);
        continue;
      }
      expect([length, buffer[0], buffer[999]]).toEqual([1000, got % 251, got % 251]);
      got++;
    }
    expect(channel.queued).toBe(false);
  } finally {
    channel.close();
    closeDescriptor(far);
  }
});
