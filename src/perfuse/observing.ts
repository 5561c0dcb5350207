import type { Foreign, KernelEvents, SentRequest } from "../fuse/kernel.ts";
import { Opcode } from "../fuse/opcodes.ts";
import { InHeader } from "../fuse/structs.ts";
import { decodeName } from "../name.ts";
import type { ObservedExchange, Observer } from "./host.ts";

/** What tells an observer of a kernel's exchanges; `nameOf` is the name of a node by its number. */
export function observing(
  observer: Observer,
  nameOf: (nodeid: Foreign) => string,
): Pick<KernelEvents, "onRequest" | "onReply"> {
  const open = new Map<Foreign, ObservedExchange>();
  return {
    onRequest(request) {
      const { opcode, unique, nodeid, asks } = request;
      observer.message?.("sent", request.message);
      const exchange = { opcode, unique, nodeid, name: nameOf(nodeid), path: pathOf(request) };
      observer.begin?.(exchange);
      if (asks) open.set(unique, exchange);
      else observer.end?.(exchange, undefined);
    },
    onReply(unique, code) {
      const exchange = open.get(unique);
      open.delete(unique);
      if (exchange) observer.end?.(exchange, code);
    },
  };
}

function pathOf({ opcode, message }: SentRequest): string | undefined {
  if (opcode !== Opcode.LOOKUP) return undefined;
  return decodeName(message, InHeader.size, message.length - 1);
}
