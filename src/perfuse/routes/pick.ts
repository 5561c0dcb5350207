import { accessSync, constants, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { exitCodes, Failure } from "../../failure.ts";
import { type Elf, readElf } from "./elf.ts";

/** How a daemon gets its socket; see docs/perfuse.md. */
export type RouteName = "fd" | "fusermount" | "seccomp";

/** What is known of a daemon before it is started. */
export interface Picked {
  readonly route: RouteName;
  /** It looks for GO_FUSE_MARK in the directory that it has mounted on. */
  readonly goFuse: boolean;
  /** It answers to nothing below this minor version. */
  readonly minor: number | undefined;
}

/** A command's program as a path. Throws a Failure if there is none, or none that may be run. */
export function findProgram(word: string): string {
  const candidates = word.includes("/")
    ? [resolve(word)]
    : (process.env.PATH || DEFAULT_PATH).split(":").map((folder) => resolve(folder, word));
  const files = candidates.filter(isFile);
  const found = files.find(mayRun);
  if (found !== undefined) return found;
  const trouble =
    files.length > 0
      ? "it may not be executed; check its mode"
      : "there is no such program; check its name";
  throw new Failure(`${word}: ${trouble}`, exitCodes.usage);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function mayRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The route for a command, whose program is at `path`: by what it is known to be, else by what it is linked with. An ordinary user's
 * daemon of libfuse 2 asks fusermount anyway; root's mounts by itself. Without `listeners` system calls cannot be passed on.
 */
export function pickRoute(
  path: string,
  args: readonly string[],
  { isRoot = process.geteuid?.() === 0, listeners = true } = {},
): Picked {
  const program = realpathSync(path);
  const name = basename(program);
  const known = KNOWN.find((row) => row.name.test(name));
  const found = known?.look(args) ?? look(program);
  const { library } = found;
  return {
    route: library === "libfuse2" && isRoot && listeners ? "seccomp" : ROUTES[library],
    goFuse: library === "go-fuse",
    minor: found.minor ?? MINORS[library],
  };
}

/** What a daemon speaks FUSE with: "other" may be anything. */
type Library = "libfuse3" | "go-fuse" | "pyfuse3" | "libfuse2" | "bazil" | "other";

interface Found {
  readonly library: Library;
  readonly minor?: number | undefined;
}

const ROUTES: Readonly<Record<Library, RouteName>> = {
  libfuse2: "fusermount",
  libfuse3: "fd",
  "go-fuse": "fd",
  pyfuse3: "fd",
  bazil: "fusermount",
  other: "seccomp",
};

/** From 13 on go-fuse answers READ by splice(2), and a long answer comes in pieces (its fuse/splice_linux.go). */
const MINORS: { readonly [Name in Library]?: number } = { "go-fuse": 12 };

/** What the program's file does not tell. */
const KNOWN: readonly {
  readonly name: RegExp;
  look(args: readonly string[]): Found | undefined;
}[] = [
  // It wants DONT_MASK and to splice, which libfuse 3 says of the kernel from 14 on.
  { name: /^fuse-overlayfs$/, look: () => ({ library: "libfuse3", minor: 31 }) },
  // It has several inside; `mount` is bazil's, `mount2` go-fuse's.
  {
    name: /^rclone$/,
    look: (args) => ({ library: args.includes("mount2") ? "go-fuse" : "bazil" }),
  },
  { name: /^python[\d.]*$/, look: (args) => ({ library: scriptLibrary(args) }) },
];

/** The program of a Python command is its script. */
function scriptLibrary(args: readonly string[]): Library {
  const script = args.find((arg) => !arg.startsWith("-"));
  return script !== undefined && /\bpyfuse3\b/.test(beginning(script)) ? "pyfuse3" : "other";
}

function look(program: string): Found {
  const elf = elfOf(program);
  if (elf === undefined) return { library: scriptOf(program) };
  const { needed } = elf;
  if (needed.some((library) => /^libfuse3\.so\b/.test(library))) return { library: "libfuse3" };
  if (needed.some((library) => /^libfuse\.so\b/.test(library))) return { library: "libfuse2" };
  return { library: goLibrary(program) };
}

/** One that may be run and not read has nothing to tell. */
function elfOf(program: string): Elf | undefined {
  try {
    return readElf(program);
  } catch {
    return undefined;
  }
}

/** A program that begins with "#!": only Python's is looked into, others may start anything. */
function scriptOf(program: string): Library {
  const [first = ""] = beginning(program).split("\n");
  return first.startsWith("#!") && first.includes("python") ? scriptLibrary([program]) : "other";
}

/** A program of Go has the paths of its packages inside, and no libraries. */
function goLibrary(program: string): Library {
  const bytes = readFileSync(program);
  if (bytes.indexOf("\xff Go buildinf:", 0, "latin1") === -1) return "other";
  if (bytes.includes("github.com/hanwen/go-fuse/")) return "go-fuse";
  return bytes.includes("bazil.org/fuse") ? "bazil" : "other";
}

function beginning(path: string): string {
  try {
    return readFileSync(path, "latin1").slice(0, 1 << 16);
  } catch {
    return "";
  }
}

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";
