import type { Frame } from "../frame.ts";
import type { FuseCall } from "./call.ts";
import { errnoName } from "./errno.ts";
import type { Row } from "./ops.ts";

/** `-d`: one line for a request, out of its row and its struct: "#12 READ node 4 fh=1 offset=0 size=4096 (uid 0 pid 77)". */
export function requestLine(call: FuseCall): string {
  const { row } = call;
  const fields = Object.entries((row.in && call.arguments[row.opcode]) ?? {}).map(
    ([name, value]) => `${name}=${shown(value)}`,
  );
  const names = [call.name, call.secondName]
    .slice(0, row.names ?? 0)
    .map((name) => JSON.stringify(name));
  const data = row.data ? [`${call.frame.length - call.dataAt} bytes`] : [];
  const node = row.node ? [`node ${call.vnode.id}`] : [];
  const who = `(uid ${call.uid} pid ${call.pid})`;
  return [`#${call.unique}`, row.name, ...node, ...fields, ...names, ...data, who].join(" ");
}

/** The line for its reply: "#12 READ: 4096 bytes, 3.1 us" or "#12 READ: ENOENT". */
export function replyLine(call: FuseCall, error: number, length: number): string {
  const outcome = error === 0 ? `${length - HEADER} bytes` : (errnoName(error) ?? `error ${error}`);
  return `#${call.unique} ${call.row.name}: ${outcome}`;
}

/** The line for a request that reached no operation. */
export function refusalLine(frame: Frame, row: Row | undefined, error: number): string {
  const view = frame.requestView;
  const unique = view.getUint32(12, true) * 0x100000000 + view.getUint32(8, true);
  const name = row?.name ?? `opcode ${view.getUint32(4, true)}`;
  return `#${unique} ${name}: ${errnoName(error) ?? `error ${error}`}`;
}

const HEADER = 16;

function shown(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([name, inner]) => `${name}=${shown(inner)}`)
    .join(" ")}}`;
}
