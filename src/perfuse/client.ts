import type { SpawnOptions } from "node:child_process";
import { openSync } from "node:fs";
import { resolve } from "node:path";
import { closeDescriptor, send } from "../../ffi/device.ts";
import { SystemError } from "../../ffi/libc.ts";
import { connectSeqpacket, passCredentials } from "../../ffi/seqpacket.ts";
import { socketPair } from "../../ffi/socket.ts";
import { FUSE_DEVICE, perfusedAddress } from "./address.ts";
import { encodeMountFrame } from "./mount-frame.ts";
import type { PerfuseMounting } from "./open.ts";
import { makeRoom } from "./room.ts";
import { settingsOf } from "./settings.ts";
import { startServing } from "./start-serving.ts";

/** `perfuseOpen`. */
export function openDaemon(path: string, flags: number): number {
  if (path !== FUSE_DEVICE) return openSync(path, flags);
  // A library prints nothing: what is wrong with the environment perfused says.
  const { bufferSize } = settingsOf(process.env, () => {});
  const socket = connected() ?? started(bufferSize);
  makeRoom(socket, bufferSize, () => {});
  return socket;
}

/** `perfuseMount`. */
export function mountDaemon({ socket, target, flags = 0, data, ...names }: PerfuseMounting): void {
  const frame = encodeMountFrame({
    ...names,
    target: resolve(target),
    flags,
    data: data ? `${data},fd=${socket}` : `fd=${socket}`,
  });
  const sent = send(socket, frame, frame.length);
  if (sent < 0) throw new SystemError("write", -sent, target);
}

function connected(): number | undefined {
  try {
    return connectSeqpacket(perfusedAddress());
  } catch {
    return undefined;
  }
}

/** A perfused of this daemon's own, at the other end of a pair. It ends with it, and this process does not wait for it. */
function started(bufferSize: number): number {
  const [ours, theirs] = socketPair("seqpacket");
  try {
    makeRoom(theirs, bufferSize, () => {});
    // Before the frame is sent.
    passCredentials(theirs);
    const options: SpawnOptions = {
      stdio: ["ignore", "inherit", "inherit", theirs],
      // Signals from the daemon's terminal are the daemon's.
      detached: true,
    };
    const child = startServing([], options);
    child.on("error", () => {});
    child.unref();
    return ours;
  } catch (error) {
    closeDescriptor(ours);
    throw error;
  } finally {
    closeDescriptor(theirs);
  }
}
