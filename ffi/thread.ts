/**
 * Threads whose program is embedded as text, so that a compiled binary starts them like a source
 * tree does.
 */

/**
 * Starts a worker from `import * as program from "./x.worker.ts" with { type: "text" }`. TypeScript
 * sees that import as the module, Bun as its text. The program can import Bun's own modules only.
 * It does not keep the process alive, and ends when it stops listening to messages. What it throws
 * is thrown here, uncaught: nobody would wake the process or answer it any more.
 */
export function startThread(program: object): Worker {
  const { default: text } = program as { default: string };
  const address = URL.createObjectURL(new Blob([text], { type: "application/typescript" }));
  const worker = new Worker(address);
  worker.addEventListener("error", ({ message }) => {
    queueMicrotask(() => {
      throw new Error(message);
    });
  });
  worker.addEventListener("close", () => URL.revokeObjectURL(address));
  worker.unref();
  return worker;
}
