/**
 * The puffs protocol over a socket pair, where another process plays the kernel: requests one after the other, beside the round trip
 * that the socket alone takes. Both are asked by bench/socket.c, which sends the same frames to either.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { closeDescriptor, EAGAIN, receive, send, setNonBlocking } from "../ffi/device.ts";
import { socketPair } from "../ffi/socket.ts";
import { FileMode } from "../src/puffs/flags.ts";
import { FrameReader } from "../src/puffs/frames.ts";
import { PuffsKernel } from "../src/puffs/kernel.ts";
import { acceptKargs } from "../src/puffs/mounted.ts";
import { handshakeOf } from "../test/support/kernel-end.ts";
import { Client, type Taken } from "./client.ts";
import { end } from "./machine.ts";
import { ours, type Peers } from "./peers.ts";
import { type Row, summarize } from "./report.ts";
import type { Scale } from "./workloads.ts";

/** What is asked: the frame again and again, and how long the reply to it is. */
interface Question {
  readonly row: string;
  readonly frame: Uint8Array;
  readonly reply: number;
  readonly count: number;
}

const WORKLOAD = "memfs on puffs, over a socket pair";
const TARGET = 0.7;
const KIND = ["getattr", "64 KiB read"] as const;
const CALLER = { uid: 0, gid: 0, groups: [], pid: 42, lid: 1 };
const SIZE = 64 * 1024;

/** The rows to measure, by what --only chooses. */
export function socketRows(matches: (name: string) => boolean): string[] {
  return KIND.filter((row) => matches(`${WORKLOAD}: ${row}, clients: 1`));
}

/** Measure the rows: both peers in turn, in each round. */
export async function overSocket(
  rows: readonly string[],
  peers: Peers,
  { requests }: Scale,
  { rounds, budget }: { readonly rounds: number; readonly budget: number },
  signal: AbortSignal,
): Promise<Row[]> {
  if (rows.length === 0) return [];
  console.log(`measuring ${WORKLOAD}`);
  const server = await Server.start(signal);
  try {
    const questions = (await server.questions(requests)).filter(({ row }) => rows.includes(row));
    const samples = questions.map(() => ({ memfs: [] as number[], socket: [] as number[] }));
    const until = performance.now() + budget;
    for (let round = 0; round < rounds && (round === 0 || performance.now() < until); round++)
      for (const [index, question] of questions.entries())
        for (const peer of round % 2 === 0 ? BOTH : BOTH.toReversed()) {
          const asked = peer === "memfs" ? server.ask(question, peers) : echoed(question, peers);
          const { nanoseconds, operations } = await asked;
          samples[index]?.[peer].push((operations * 1e9) / nanoseconds);
          signal.throwIfAborted();
        }
    return questions.map(({ row }, index) =>
      summarize({
        workload: WORKLOAD,
        row,
        clients: 1,
        unit: "ops/s",
        ours: "memfs",
        other: "socket",
        target: TARGET,
        samples: samples[index] ?? {},
      }),
    );
  } finally {
    await server.end();
  }
}

const BOTH = ["memfs", "socket"] as const;

/** Our server at the other end of the socket pair. */
class Server {
  readonly #child: ChildProcess;
  readonly #end: number;
  readonly #reader = new FrameReader(1 << 18);
  readonly #kernel: PuffsKernel;
  #sent = new Uint8Array();
  #received = 0;

  static async start(signal: AbortSignal): Promise<Server> {
    signal.throwIfAborted();
    const [near, far] = socketPair("stream");
    setNonBlocking(near);
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ours("memfs"), "-f", "/bench"], {
      stdio: ["ignore", "ignore", "inherit", far],
      env: { ...process.env, PUFFS_COMFD: "3" },
      detached: true,
    });
    closeDescriptor(far);
    try {
      return new Server(child, near, (await handshakeOf(near)).kargs);
    } catch (error) {
      await end(child);
      throw error;
    }
  }

  private constructor(child: ChildProcess, near: number, kargs: Uint8Array) {
    this.#child = child;
    this.#end = near;
    this.#kernel = new PuffsKernel((frame) => this.#send(frame), acceptKargs(kargs));
  }

  /** A file is made, and everything asked once: the frame that went out, and the length of what came back. */
  async questions(count: number): Promise<Question[]> {
    const kernel = this.#kernel;
    const { newnode } = await this.#await(kernel.create(kernel.root, "f", 0o644, CALLER));
    await this.#await(kernel.open(newnode, FileMode.READ, CALLER));
    await this.#await(kernel.write(newnode, 0, new Uint8Array(SIZE).fill(120), CALLER));
    await this.#await(kernel.getattr(newnode, CALLER));
    const getattr = { row: KIND[0], frame: this.#sent, reply: this.#received, count };
    await this.#await(kernel.read(newnode, 0, SIZE, CALLER));
    const read = { row: KIND[1], frame: this.#sent, reply: this.#received, count: count / 2 };
    return [getattr, read];
  }

  ask(question: Question, peers: Peers): Promise<Taken> {
    return ask(question, this.#end, peers);
  }

  async end(): Promise<void> {
    await end(this.#child);
    closeDescriptor(this.#end);
  }

  #send(frame: Uint8Array): void {
    this.#sent = frame.slice();
    if (send(this.#end, frame, frame.length) !== frame.length)
      throw new Error("the socket is full");
  }

  /** Nothing is read but the answers to what is waited for: the stream is somebody else's then. */
  async #await<T>(answer: Promise<T>): Promise<T> {
    let waits = true;
    const settled = answer.finally(() => {
      waits = false;
    });
    while (waits) {
      const count = receive(this.#end, this.#reader.room());
      if (count === -EAGAIN) await Bun.sleep(1);
      else if (count <= 0) throw new Error("the server has gone");
      else this.#reader.took(count);
      for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) {
        this.#received = frame.length;
        this.#kernel.receive(frame);
      }
      await Promise.resolve();
    }
    return settled;
  }
}

/** The same with nothing but the socket in between. */
async function echoed(question: Question, peers: Peers): Promise<Taken> {
  const [near, far] = socketPair("stream");
  const child = spawn(peers.socket, ["answer", "3", String(question.reply)], {
    stdio: ["ignore", "ignore", "inherit", far],
    detached: true,
  });
  closeDescriptor(far);
  try {
    return await ask(question, near, peers);
  } finally {
    closeDescriptor(near);
    await end(child);
  }
}

async function ask({ frame, reply, count }: Question, near: number, peers: Peers): Promise<Taken> {
  const path = `${peers.socket}.frame`;
  writeFileSync(path, frame);
  const client = new Client([peers.socket, "ask", "3", String(count), path, String(reply)], near);
  try {
    await client.ready;
    client.go();
    const [start, finish, operations] = await client.times;
    return { nanoseconds: finish - start, operations };
  } finally {
    await client.kill();
    rmSync(path);
    setNonBlocking(near);
  }
}
