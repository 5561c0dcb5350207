import type { AnyPlugin } from "./plugin.ts";

export type Load = () => Promise<AnyPlugin>;

/** The plugins inside this program, by name; each is loaded when it is asked for. Literal imports: the compiler must see them. */
export const builtins: Map<string, Load> = new Map([
  ["hello", () => import("../plugins/hello.ts").then((module) => module.default as AnyPlugin)],
  [
    "memfs",
    () => import("../plugins/memfs/memfs.ts").then((module) => module.default as AnyPlugin),
  ],
  ["null", () => import("../plugins/null.ts").then((module) => module.default as AnyPlugin)],
  [
    "passthrough",
    () => import("../plugins/passthrough.ts").then((module) => module.default as AnyPlugin),
  ],
  ["perfuse", () => import("../plugins/perfuse.ts").then((module) => module.default as AnyPlugin)],
]);
