import { type Awaitable, isPromise } from "./awaitable.ts";
import { Errno, errnoOf } from "./errno.ts";

/** How a request ends: bytes that were written to the reply, or an error. */
export type Outcome = Awaitable<number | Errno>;

/** The outcome of requests that are never answered. */
export const NO_REPLY = -1;

/**
 * Go on with what an operation answered: at once when it is a value, later when it is a promise. `next` is a
 * function that stands by itself, so that nothing is allocated for values.
 */
export function after<Call, T>(
  call: Call,
  answer: Awaitable<T | Errno>,
  next: (call: Call, value: T) => Outcome,
): Outcome {
  if (isPromise(answer))
    return Promise.resolve(answer).then((late) => settle(call, late as T | Errno, next));
  return answer instanceof Errno ? answer : next(call, answer as T);
}

function settle<Call, T>(
  call: Call,
  value: T | Errno,
  next: (call: Call, value: T) => Outcome,
): Outcome {
  return value instanceof Errno ? value : next(call, value);
}

/** What an operation answers, an errno that it throws too: for one of several, whose failure does not end the whole. */
export function attempt<T>(operation: () => Awaitable<T | Errno>): Awaitable<T | Errno> {
  const failed = (thrown: unknown): Errno => {
    const code = errnoOf(thrown);
    if (code === undefined) throw thrown;
    return new Errno(code);
  };
  try {
    const answer = operation();
    return isPromise(answer) ? Promise.resolve(answer).then(undefined, failed) : answer;
  } catch (thrown) {
    return failed(thrown);
  }
}
