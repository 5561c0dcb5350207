import type { Observer } from "./host.ts";

/** Two observers as one, the first of them first. */
export function both(first: Observer, second: Observer): Observer {
  return {
    begin(exchange) {
      first.begin?.(exchange);
      second.begin?.(exchange);
    },
    end(exchange, error) {
      first.end?.(exchange, error);
      second.end?.(exchange, error);
    },
    message(direction, message) {
      first.message?.(direction, message);
      second.message?.(direction, message);
    },
  };
}
