import { setSendBuffer } from "../../ffi/seqpacket.ts";
import { socketPair } from "../../ffi/socket.ts";
import { frameOf } from "../../src/frame.ts";
import { Connection } from "../../src/fuse/connection.ts";
import { MESSAGE_ROOM } from "../../src/fuse/init.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import { parseOptions } from "../../src/options/parse.ts";
import { Channel } from "../../src/perfuse/channel.ts";
import { type Hosting, type HostOptions, host } from "../../src/perfuse/host.ts";
import { type AnyPlugin, definePlugin, type Plugin } from "../../src/plugin.ts";
import type { Usermount } from "../../src/usermount.ts";
import type { Feature } from "../conformance/case.ts";
import { BARE } from "../support/bare.ts";

/** There is no kernel whose caches could be out of date. */
export const NOWHERE = new Proxy({} as Usermount, {
  get: (_, name) => (name === "directory" ? "/" : () => Promise.resolve()),
});

/** Two ends that messages of 1 MiB fit through. */
export function wideSocketPair(): [number, number] {
  const pair = socketPair("seqpacket");
  for (const end of pair) setSendBuffer(end, 2 * MESSAGE_ROOM);
  return pair;
}

/** A daemon in this process: a plugin of ours, served over a socket. */
export interface OwnDaemon {
  /** The other end of its socket. */
  readonly socket: number;
  readonly connection: Connection;
  /** Messages as they come, by opcode. */
  readonly opcodes: number[];
  /** As if it died. */
  kill(): void;
}

/** `answers` may take a request out of the daemon's hands: the errno (Linux' number) that it is answered with. */
export async function ownDaemon(
  plugin: AnyPlugin,
  options: readonly string[] = [],
  answers: (opcode: number) => number | undefined = () => undefined,
): Promise<OwnDaemon> {
  const fileSystem = await plugin.start({
    options: parseOptions([...options], plugin.options).plugin,
    ...BARE,
    usermount: NOWHERE,
  });
  const report = (message: string, cause?: unknown) => {
    throw new Error(message, { cause });
  };
  const connection = new Connection(fileSystem, {}, report);
  const server = new FuseServer(connection);
  const [socket, end] = wideSocketPair();
  const opcodes: number[] = [];
  const idle: ReturnType<typeof frameOf>[] = [];
  const channel = new Channel({
    descriptor: end,
    room: MESSAGE_ROOM,
    receive(message) {
      const frame =
        idle.pop() ?? frameOf(new Uint8Array(MESSAGE_ROOM), new Uint8Array(MESSAGE_ROOM));
      frame.request.set(message.part());
      frame.length = message.length;
      const opcode = frame.requestView.getUint32(4, true);
      opcodes.push(opcode);
      const done = (length: number) => {
        if (length > 0) channel.send(frame.reply.slice(0, length));
        idle.push(frame);
      };
      const errno = answers(opcode);
      if (errno === undefined) void Promise.resolve(server.serve(frame)).then(done);
      else {
        frame.replyView.setUint32(0, 16, true);
        frame.replyView.setInt32(4, -errno, true);
        frame.reply.set(frame.request.subarray(8, 16), 8);
        done(16);
      }
    },
    ended() {},
  });
  return { socket, connection, opcodes, kill: () => channel.close() };
}

/** A plugin behind a daemon, hosted: to be driven like any other. What is reported fails. */
export function hosted(
  plugin: AnyPlugin,
  options: readonly string[] = [],
  hosting: Partial<HostOptions> = {},
  answers?: (opcode: number) => number | undefined,
): Plugin & { readonly hostings: Hosting[] } {
  const hostings: Hosting[] = [];
  return {
    hostings,
    ...definePlugin({
      name: "perfuse",
      description: `${plugin.name} behind a FUSE daemon`,
      async start({ usermount }) {
        const { socket } = await ownDaemon(plugin, options, answers);
        const report = (message: string, cause?: unknown) => {
          throw new Error(message, { cause });
        };
        const one = await host({ socket, usermount, report, ...hosting });
        hostings.push(one);
        return one.fileSystem;
      },
    }),
  };
}

/** Since which minor there is a message for a feature of the conformance kit. */
const SINCE: Partial<Record<Feature, number>> = {
  allocate: 19,
  exchange: 23,
  holes: 24,
  copy: 28,
  tmpfile: 37,
};

export function featuresAt(minor: number, features: readonly Feature[]): Feature[] {
  return features.filter((feature) => (SINCE[feature] ?? 0) <= minor);
}

/** Cases that the protocol has no message for below a minor. */
export const EXCEPTED_BEFORE: Readonly<Record<23, Readonly<Record<string, readonly string[]>>>> = {
  23: {
    "RENAME has no flags: EINVAL, as on a mount of the kernel's": [
      "a file",
      "a empty directory",
      "a full directory",
      "a symbolic link",
      "a FIFO",
    ].flatMap((what) => [
      `rename > ${what} onto nothing with NOREPLACE`,
      `rename > ${what} onto nothing elsewhere with NOREPLACE`,
    ]),
  },
};
