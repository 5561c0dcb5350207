/** What an operation may answer: a value, which is sent in the same turn, or a promise of one. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Whether an answer is still to come. Anything with a `then` counts, so foreign promises work: `Promise.resolve` makes
 * a proper one of them, and hands a proper one back as it is.
 */
export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

/** `next(value)`, at once when the value is there: the way to go on after an operation without `await`. */
export function then<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return isPromise(value) ? Promise.resolve(value).then(next) : next(value as T);
}
