import { existsSync } from "node:fs";
import { mounting } from "../../support/mounted.ts";
import { run } from "../../support/program.ts";

const EXAMPLES = "/usr/share/doc/libfuse3-dev/examples";

/** Compiles one of libfuse's examples, as the distribution has them, to a file. */
export async function example(name: string, program: string): Promise<string> {
  const script = `cc -O1 -Wno-unused -o "$2" "$1" $(pkg-config --cflags --libs fuse3)`;
  const source = `${EXAMPLES}/${name}.c`;
  const { code, stderr } = await run(["sh", "-euc", script, "sh", source, program]);
  if (code !== 0) throw new Error(stderr);
  return program;
}

/** Registers tests that need the examples. */
export function withExamples(name: string, register: () => void): void {
  mounting(name, () => {
    if (!existsSync(EXAMPLES)) throw new Error(`${EXAMPLES}: test/setup.ts installs libfuse3-dev`);
    register();
  });
}

/** What lets a daemon keep a descriptor open for each file that the kernel knows. */
export function unlimited(...command: readonly string[]): string[] {
  return ["sh", "-c", 'ulimit -n "$(ulimit -H -n)"; exec "$@"', "sh", ...command];
}
