import { openDatagram } from "../../ffi/datagram.ts";
import { closeDescriptor, EAGAIN, send } from "../../ffi/device.ts";

/** The severities of syslog(3) that perfused has. */
export const SEVERITIES = { error: 3, warning: 4, info: 6 } as const;

export type Severity = keyof typeof SEVERITIES;

/**
 * The system's log, under a program's name and the facility daemon: a datagram for each message, in the form of RFC 3164, to the
 * socket that syslog(3) writes to. Where nobody listens there the messages are dropped, as syslog(3) does; none is waited for.
 */
export function openSyslog(
  program: string,
  path = "/dev/log",
): (severity: Severity, message: string) => void {
  let socket: number | undefined;
  const attempt = (line: Uint8Array): boolean => {
    try {
      socket ??= openDatagram(path);
    } catch {
      return true;
    }
    const sent = send(socket, line, line.length);
    // A daemon of the log that has started anew has another socket.
    if (sent >= 0 || sent === -EAGAIN) return true;
    closeDescriptor(socket);
    socket = undefined;
    return false;
  };
  return (severity, message) => {
    const head = `<${DAEMON + SEVERITIES[severity]}>${timestamp(new Date())} ${program}[${process.pid}]: `;
    const line = new TextEncoder().encode(head + message);
    if (!attempt(line)) attempt(line);
  };
}

/** LOG_DAEMON of <syslog.h>. */
const DAEMON = 3 << 3;

/** "Nov  7 04:05:06", local time. */
function timestamp(date: Date): string {
  const [day, ...time] = [date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
  const clock = time.map((part) => String(part).padStart(2, "0")).join(":");
  return `${MONTHS[date.getMonth()]} ${String(day).padStart(2, " ")} ${clock}`;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
