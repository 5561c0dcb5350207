import { isPromise } from "../awaitable.ts";

type Operation = (...args: unknown[]) => unknown;

/** The same operations, called on `operations` itself, but for those in `instead`. */
export function withInstead<T extends object>(
  operations: T,
  names: readonly string[],
  instead: Readonly<Record<string, unknown>>,
): T {
  const own = operations as unknown as Record<string, Operation | undefined>;
  const all = names.flatMap((name) => {
    const operation = instead[name] ?? own[name]?.bind(operations);
    return operation === undefined ? [] : [[name, operation]];
  });
  return Object.fromEntries(all) as T;
}

/** The same operations with something done before each is called, and when it has ended (puffs_set_prepost). */
export function surround<T extends object>(
  operations: T,
  names: readonly string[],
  before: () => void,
  after: () => void,
): T {
  const own = operations as unknown as Record<string, Operation | undefined>;
  const instead: Record<string, Operation> = {};
  for (const name of names) {
    const operation = own[name];
    if (!operation) continue;
    instead[name] = (...args) => {
      before();
      let later = false;
      try {
        const answer = operation.apply(operations, args);
        if (!isPromise(answer)) return answer;
        later = true;
        return Promise.resolve(answer).finally(after);
      } finally {
        if (!later) after();
      }
    };
  }
  return withInstead(operations, names, instead);
}
