import type { PuffsCall } from "./call.ts";
import { errnoName } from "./errno.ts";
import { read64 } from "./word.ts";

/** `-d`: one line for a request, out of its row: "#12 READ node 4 offset=0 resid=4096 (uid 0 pid 77)"; "#-" where no answer is awaited. */
export function requestLine(call: PuffsCall): string {
  const { row } = call;
  const fields = Object.entries((row.in && call.arguments[row.index]) ?? {}).map(
    ([name, value]) => `${name}=${shown(value)}`,
  );
  const names = [call.name, call.secondName]
    .slice(0, row.names.length)
    .map((name) => JSON.stringify(name));
  const node = row.node ? [`node ${call.vnode.id}`] : [];
  const who = `(uid ${call.uid} pid ${call.pid})`;
  return [number(call), row.name, ...node, ...names, ...fields, who].join(" ");
}

/** The line for its reply: "#12 READ: 4264 bytes" or "#12 LOOKUP: ENOENT". */
export function replyLine(call: PuffsCall, error: number, length: number): string {
  const outcome = error === 0 ? `${length} bytes` : (errnoName(error) ?? `error ${error}`);
  return `${number(call)} ${call.row.name}: ${outcome}`;
}

function number(call: PuffsCall): string {
  return call.forgotten ? "#-" : `#${read64(call.frame.requestView, 8)}`;
}

/** A struct's fields that say something: what has no value (VNOVAL) is left out. */
function shown(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).filter(([, inner]) => inner !== -1 && inner !== 0xffffffff);
  return `{${fields.map(([name, inner]) => `${name}=${shown(inner)}`).join(" ")}}`;
}
