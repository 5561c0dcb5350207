import { constants } from "node:fs";
import { type FileHandle, lstat, open, readlink, stat } from "node:fs/promises";
import type { ErrnoName } from "../errno.ts";
import { S_IFMT } from "../mode.ts";
import { decodeName, encodeName, nameLength } from "../name.ts";
import type { Time } from "../operations.ts";

/*
 * Files of this system, as copies see them: paths are bytes, for names need not be UTF-8.
 */

export type LocalPath = Buffer;

export function localPath(path: string): LocalPath {
  const bytes = Buffer.alloc(nameLength(path));
  encodeName(path, bytes, 0);
  return bytes;
}

export function inside(directory: LocalPath, name: string): LocalPath {
  return Buffer.concat([directory, Buffer.from("/"), localPath(name)]);
}

export function textOf(bytes: Uint8Array): string {
  return decodeName(bytes, 0, bytes.length);
}

export interface LocalStat {
  /** An S_IF constant. */
  readonly kind: number;
  readonly mode: number;
  readonly mtime: Time;
}

/** A complaint of ours about a file of this system. */
export class LocalError extends Error {
  override readonly name = "LocalError";
  readonly code: ErrnoName;

  constructor(code: ErrnoName) {
    super(code);
    this.code = code;
  }
}

export async function statOf(path: LocalPath, follow: boolean): Promise<LocalStat> {
  const { mode, mtimeNs } = await (follow
    ? stat(path, { bigint: true })
    : lstat(path, { bigint: true }));
  const sec = mtimeNs / BILLION - (mtimeNs % BILLION < 0n ? 1n : 0n);
  const mtime = { sec: Number(sec), nsec: Number(mtimeNs - sec * BILLION) };
  return { kind: Number(mode) & S_IFMT, mode: Number(mode), mtime };
}

/** The same, with undefined where there is nothing. */
export async function peekAt(path: LocalPath, follow: boolean): Promise<LocalStat | undefined> {
  try {
    return await statOf(path, follow);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw error;
  }
}

export async function targetOfLink(path: LocalPath): Promise<string> {
  return textOf(await readlink(path, { encoding: "buffer" }));
}

/**
 * Open for writing, and cut or make it (for its owner only). Below what the user named no symbolic link is followed: the one who filled the
 * file system would choose where it leads. Nobody waits for the reader of a pipe.
 */
export function openForWriting(path: LocalPath, named: boolean): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | (named ? 0 : O_NOFOLLOW);
  return open(path, flags, 0o600);
}

/** The bytes of a file in pieces. */
export async function* contentOf(path: LocalPath): AsyncGenerator<Uint8Array> {
  const file = await open(path, constants.O_RDONLY);
  try {
    const piece = new Uint8Array(PIECE);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE, null);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** All of `bytes`, however the system takes them. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, null);
    done += bytesWritten;
  }
}

const BILLION = 1_000_000_000n;
const PIECE = 2 ** 20;
