import { usageFailure } from "./failure.ts";
import { suggestion } from "./nearest.ts";
import { FILE_SYSTEM_OPERATIONS, NODE_OPERATIONS } from "./operation-names.ts";
import { MOUNT_OPTIONS } from "./options/table.ts";
import type { AnyFileSystem, AnyPlugin, FileSystem, Option, Plugin } from "./plugin.ts";

/*
 * What TypeScript checks in a plugin, checked again at run time: a plugin is loaded without its types, and may be
 * JavaScript. Each Failure is one line that begins with where the plugin came from.
 */

/** The plugin that a module (its namespace object) exports by default. */
export function pluginOf(module: unknown, where: string): AnyPlugin {
  const plugin = (module as { default?: unknown } | null)?.default;
  if (plugin === undefined) {
    throw usageFailure(
      `${where} has no default export: end it with "export default definePlugin({...})"`,
    );
  }
  return checkPlugin(plugin, where);
}

export function checkPlugin(value: unknown, where: string): AnyPlugin {
  if (!isObject(value)) {
    throw usageFailure(
      `${where}: the default export is ${kindOf(value)}, not what definePlugin answers`,
    );
  }
  const plugin = value as Record<keyof Plugin, unknown>;
  known(value, Object.keys(PLUGIN_KEYS), `${where}: a plugin has no`);
  if (typeof plugin.name !== "string" || !/^[A-Za-z0-9_-]+$/.test(plugin.name)) {
    throw usageFailure(
      `${where}: name must be text of letters, digits, - and _, not ${show(plugin.name)}`,
    );
  }
  if (typeof plugin.description !== "string") {
    throw usageFailure(
      `${where}: description must be one line of text, not ${kindOf(plugin.description)}`,
    );
  }
  if (typeof plugin.start !== "function") {
    throw usageFailure(`${where}: start must be a function, not ${kindOf(plugin.start)}`);
  }
  for (const word of ["source", "command"] as const) {
    const said = plugin[word] as { description?: unknown } | undefined;
    if (said === undefined || (isObject(said) && typeof said.description === "string")) continue;
    throw usageFailure(`${where}: ${word} must be { description: "..." }, not ${kindOf(said)}`);
  }
  if (plugin.options !== undefined) {
    if (!isObject(plugin.options)) {
      throw usageFailure(
        `${where}: options must be a table of options, not ${kindOf(plugin.options)}`,
      );
    }
    for (const [name, option] of Object.entries(plugin.options)) checkOption(name, option, where);
  }
  return value as unknown as AnyPlugin;
}

/** What `start` answered, or a Failure: `root` an object, `node.lookup` there, every operation known and a function. */
export function checkFileSystem(value: unknown, where: string): AnyFileSystem {
  if (!isObject(value)) {
    throw usageFailure(`${where}: start must answer { root, node: {...} }, not ${kindOf(value)}`);
  }
  const { root, node, fs, timeouts } = value as Record<keyof FileSystem<object>, unknown>;
  known(value, Object.keys(FILE_SYSTEM_KEYS), `${where}: what start answers has no`);
  if (!isObject(root)) throw usageFailure(`${where}: root must be an object, not ${kindOf(root)}`);
  if (!isObject(node)) {
    throw usageFailure(`${where}: node must be the operations on nodes, not ${kindOf(node)}`);
  }
  checkOperations(node, "node", NODE_OPERATIONS, where);
  if (typeof (node as { lookup?: unknown }).lookup !== "function") {
    throw usageFailure(`${where}: node.lookup is missing: the one operation that every plugin has`);
  }
  if (fs !== undefined) {
    if (!isObject(fs)) {
      throw usageFailure(`${where}: fs must be the operations on the whole, not ${kindOf(fs)}`);
    }
    checkOperations(fs, "fs", FILE_SYSTEM_OPERATIONS, where);
  }
  if (timeouts !== undefined) checkTimeouts(timeouts, where);
  return value as unknown as AnyFileSystem;
}

function checkOperations(
  operations: object,
  group: "node" | "fs",
  names: Readonly<Record<string, true>>,
  where: string,
): void {
  known(operations, Object.keys(names), `${where}: there is no operation ${group}.`);
  for (const name of Object.keys(names)) {
    const operation = (operations as Record<string, unknown>)[name];
    if (operation !== undefined && typeof operation !== "function") {
      throw usageFailure(`${where}: ${group}.${name} must be a function, not ${kindOf(operation)}`);
    }
  }
}

function checkTimeouts(timeouts: unknown, where: string): void {
  if (!isObject(timeouts)) {
    throw usageFailure(`${where}: timeouts must be an object, not ${kindOf(timeouts)}`);
  }
  known(timeouts, ["attributes", "names", "absent"], `${where}: timeouts has no`);
  for (const [name, value] of Object.entries(timeouts)) {
    if (value !== undefined && !(typeof value === "number" && value >= 0)) {
      throw usageFailure(
        `${where}: timeouts.${name} must be seconds, 0 or more, not ${show(value)}`,
      );
    }
  }
}

function checkOption(name: string, value: unknown, where: string): void {
  const at = `${where}: option ${name}`;
  if (!/^[A-Za-z][A-Za-z0-9_.-]*$/.test(name)) {
    throw usageFailure(`${at}: a name is a letter, then letters, digits, and _ . -`);
  }
  if (!isObject(value))
    throw usageFailure(`${at} must be { type, description }, not ${kindOf(value)}`);
  const option = value as Record<string, unknown>;
  const { type } = option;
  if (typeof type !== "string" || !Object.hasOwn(DEFAULT_TYPES, type)) {
    const hint = suggestion(String(type), Object.keys(DEFAULT_TYPES), "the types are");
    throw usageFailure(
      `${at} has the type ${show(type)}: ${hint} ${Object.keys(DEFAULT_TYPES).join(", ")}`,
    );
  }
  for (const taken of type === "boolean" ? [name, `no${name}`] : [name]) {
    if (Object.hasOwn(MOUNT_OPTIONS, taken)) {
      throw usageFailure(`${at}: ${taken} is an option of every mount; call it something else`);
    }
  }
  if (typeof option.description !== "string") {
    throw usageFailure(`${at} needs a description, one line of text`);
  }
  const wanted = DEFAULT_TYPES[type as Option["type"]];
  if (option.default !== undefined && !isOfType(option.default, wanted)) {
    throw usageFailure(`${at}: the default must be a ${wanted}, not ${show(option.default)}`);
  }
  if (type !== "choice") return;
  if (!Array.isArray(option.choices) || option.choices.length === 0) {
    throw usageFailure(`${at} needs choices: an array of texts`);
  }
  if (option.default !== undefined && !option.choices.includes(option.default)) {
    throw usageFailure(`${at}: the default ${show(option.default)} is not one of its choices`);
  }
}

/** Of a plain object all keys must be known; one of a class may keep what it likes beside the operations. */
function known(object: object, names: readonly string[], complaint: string): void {
  const prototype = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) return;
  for (const key of Object.keys(object)) {
    if (names.includes(key)) continue;
    const space = complaint.endsWith(".") ? "" : " ";
    throw usageFailure(
      `${complaint}${space}${key}; ${suggestion(key, names, `there are ${names.join(", ")}`)}`,
    );
  }
}

function isOfType(value: unknown, type: string): boolean {
  return typeof value === type && !Number.isNaN(value);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return typeof value === "function" ? "a function" : `the ${typeof value} ${show(value)}`;
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

const PLUGIN_KEYS: Readonly<Record<keyof Plugin, true>> = {
  name: true,
  description: true,
  source: true,
  command: true,
  options: true,
  start: true,
};

const FILE_SYSTEM_KEYS: Readonly<Record<keyof FileSystem<object>, true>> = {
  root: true,
  fs: true,
  node: true,
  timeouts: true,
  keepsContent: true,
  readOnly: true,
  companion: true,
  locks: true,
};

const DEFAULT_TYPES: Readonly<Record<Option["type"], "string" | "boolean" | "number">> = {
  string: "string",
  boolean: "boolean",
  integer: "number",
  size: "number",
  mode: "number",
  choice: "string",
};
