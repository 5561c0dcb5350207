import type { ChildProcess } from "node:child_process";
import { chmodSync, rmSync, statSync } from "node:fs";
import { closeDescriptor } from "../../ffi/device.ts";
import {
  acceptSeqpacket,
  connectSeqpacket,
  listenSeqpacket,
  passCredentials,
} from "../../ffi/seqpacket.ts";
import { Waiter } from "../../ffi/waiter.ts";
import { Failure, messageOf, sysexits } from "../failure.ts";
import type { Log } from "../session.ts";
import { type MountRequest, receiveMountRequest } from "./mount-request.ts";

/** What the listening perfused is given. */
export interface ListenOptions {
  /** Where it listens. */
  readonly path: string;
  /** How many daemons of one ordinary user are served at a time. */
  readonly most: number;
  readonly log: Log;
  /** Starts the process that serves a daemon: the socket is its to inherit, with the mount frame still in it. */
  readonly start: (socket: number, request: MountRequest) => ChildProcess;
}

/** A perfused that listens. */
export interface Listening {
  /** All is over: the socket is gone, and the mounts are. */
  readonly ended: Promise<void>;
  /** Listen no longer, and send every serving process this signal. */
  stop(signal: NodeJS.Signals): void;
  /** Send every serving process this signal, one that was just started a moment later: it would miss what it does not await yet. */
  signal(signal: NodeJS.Signals): void;
}

/**
 * Listens for daemons and has each served by a process of its own, once it has sent a mount frame that is one: what comes instead costs
 * a line in the log, and no process. Everybody may connect, as everybody may open /dev/fuse. Throws a Failure.
 */
export function listen({ path, most, log, start }: ListenOptions): Listening {
  const listener = openListener(path);
  const waiter = new Waiter();
  const ended = Promise.withResolvers<void>();
  /** The serving processes: when they were started, and for whom. */
  const children = new Map<ChildProcess, { readonly born: number; readonly uid: number }>();
  /** Who has connected and said nothing yet, by descriptor: until when that is put up with. */
  const silent = new Map<number, number>();
  let stopped = false;

  const drop = (socket: number) => {
    silent.delete(socket);
    closeDescriptor(socket);
  };

  const launch = (socket: number, request: MountRequest) => {
    const { uid } = request.owner;
    const served = [...children.values()].filter((child) => child.uid === uid).length;
    if (uid !== 0 && served >= most) {
      const target = JSON.stringify(request.frame.target);
      log.warn(`user ${uid} has ${served} mounts, which is the most (-n): ${target} is refused`);
      return;
    }
    const child = start(socket, request);
    children.set(child, { born: Date.now(), uid });
    const gone = () => {
      children.delete(child);
      if (stopped && children.size === 0) ended.resolve();
    };
    child.on("error", (error) => {
      log.error(`no process to serve ${request.frame.target}: ${messageOf(error)}`);
      gone();
    });
    child.on("exit", gone);
  };

  const look = (socket: number) => {
    try {
      const request = receiveMountRequest(socket, { peek: true });
      if (request === null) return;
      launch(socket, request);
    } catch (error) {
      log.warn(messageOf(error));
    }
    drop(socket);
  };

  const accept = () => {
    for (;;) {
      const socket = acceptSeqpacket(listener);
      if (socket === null) return;
      if (silent.size === MOST_SILENT) {
        const [oldest = -1] = silent.keys();
        log.warn("too many have connected without a mount frame: the first of them is dropped");
        drop(oldest);
      }
      silent.set(socket, Date.now() + PATIENCE);
      look(socket);
    }
  };

  const turn = () => {
    if (stopped) return;
    for (const socket of [...silent.keys()]) look(socket);
    try {
      accept();
    } catch (error) {
      log.error(`connections cannot be accepted: ${messageOf(error)}`);
      // Such as too many open files: that may pass, and is no reason to turn in circles.
      setTimeout(turn, MOMENT);
      return;
    }
    waiter.wait([listener, ...silent.keys()], turn);
  };

  const timer = setInterval(() => {
    const now = Date.now();
    const late = [...silent].filter(([, until]) => until <= now).map(([socket]) => socket);
    if (late.length === 0) return;
    log.warn(`${late.length} connected and sent no mount frame: dropped`);
    waiter.cancel();
    for (const socket of late) drop(socket);
    turn();
  }, PATIENCE / 4);

  const signal = (name: NodeJS.Signals) => {
    for (const child of children.keys()) child.kill(name);
  };

  turn();
  return {
    ended: ended.promise,
    signal(name) {
      const now = Date.now();
      for (const [child, { born }] of children)
        setTimeout(() => child.kill(name), Math.max(0, born + HEADSTART - now));
    },
    stop(name) {
      signal(name);
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      waiter.close();
      for (const socket of [...silent.keys()]) drop(socket);
      closeDescriptor(listener);
      rmSync(path, { force: true });
      if (children.size === 0) ended.resolve();
    },
  };
}

/** How many may be connected without having sent a frame, and for how many milliseconds. The waiter takes 64 descriptors. */
const MOST_SILENT = 60;
const PATIENCE = 60_000;

/** Milliseconds: between attempts to accept when something is exhausted; for a serving process to get ready. */
const MOMENT = 1000;
const HEADSTART = 1000;

function openListener(path: string): number {
  clear(path);
  let listener: number | undefined;
  try {
    listener = listenSeqpacket(path);
    // Accepted sockets have it from here: a daemon may have written before it is accepted.
    passCredentials(listener);
    chmodSync(path, 0o666);
    return listener;
  } catch (error) {
    if (listener !== undefined) closeDescriptor(listener);
    throw new Failure(`${path} cannot be listened at: ${messageOf(error)}`, sysexits.osError);
  }
}

/** Takes away the socket of a perfused that is no more; one that is alive, and what is no socket, stay. */
function clear(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new Failure(
      `${path} is there, and no socket; choose another with -p or PERFUSED_SOCKET`,
      sysexits.osFile,
    );
  try {
    closeDescriptor(connectSeqpacket(path));
  } catch {
    rmSync(path, { force: true });
    return;
  }
  throw new Failure(`${path}: somebody listens there already`, sysexits.osError);
}
