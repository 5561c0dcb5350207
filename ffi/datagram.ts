/** Messages to a local socket that nobody connects to, such as the system log's. */
import { connectSocket, openSocket } from "./socket.ts";

/**
 * A socket whose messages go to `path`; non-blocking and closed on exec. They are sent with `send` of device.ts, which answers
 * -EAGAIN while nobody reads there. Throws SystemError: ENOENT, ECONNREFUSED (nobody reads there).
 */
export function openDatagram(path: string): number {
  return openSocket("dgram", true, (fd) => connectSocket(fd, path));
}
