import { write } from "node:fs";
import { isatty } from "node:tty";
import { encodeName, nameLength } from "../name.ts";

/** Standard output cannot take more: `code` says why, EPIPE that nobody reads any more. */
export class OutputFailed extends Error {
  override readonly name = "OutputFailed";
  readonly code: string;

  constructor(code: string) {
    super(`standard output failed with ${code}`);
    this.code = code;
  }
}

/** Standard output for text and for bytes, in order. A write ends when the system has taken all of it; the plugin goes on meanwhile. */
export class Output {
  readonly #terminal = isatty(STDOUT);
  #text = "";

  /** Lines, or a part of one. Names in it keep their bytes; what is not `flush`ed may stay here. */
  async print(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length > MOST_TEXT) await this.flush();
  }

  /** A name as it is shown: on a terminal without control characters. */
  shown(name: string): string {
    return this.#terminal ? printable(name) : name;
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    const bytes = new Uint8Array(nameLength(text));
    encodeName(text, bytes, 0);
    await writeAll(bytes);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#text !== "") await this.flush();
    await writeAll(bytes);
  }
}

/** Text without control characters: a line stays a line, whatever a file is called. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    JSON.stringify(character).slice(1, -1),
  );
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += await writeSome(bytes.subarray(done));
    } catch (error) {
      const { code = "EIO" } = error as { code?: string };
      if (code !== "EAGAIN") throw new OutputFailed(code);
      // Somebody made the descriptor, which others share, non-blocking.
      await Bun.sleep(5);
    }
  }
}

/** Not a stream of Bun's: those keep what a slow reader does not take. */
function writeSome(bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) =>
    write(STDOUT, bytes, 0, bytes.length, null, (error, count) =>
      error ? reject(error) : resolve(count),
    ),
  );
}

const STDOUT = 1;
const MOST_TEXT = 2 ** 16;
