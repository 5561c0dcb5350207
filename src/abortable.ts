/** What a call has to tell its operation that nobody waits for it any more: a signal, made when it is first asked for, or a listener. */
export class Abortable {
  #controller: AbortController | undefined;
  #listeners: Set<() => void> | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  get isAborted(): boolean {
    return this.#controller?.signal.aborted ?? false;
  }

  /** The same for who asks for every call: a listener of a signal's costs more than a microsecond. Answers how to be rid of it. */
  onAbort(listener: () => void): () => void {
    const listeners = this.#listeners ?? new Set();
    this.#listeners = listeners;
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  abort(reason: string): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(new DOMException(reason, "AbortError"));
    for (const listener of this.#listeners ?? []) listener();
  }

  /** For another call. */
  protected resetAbort(): void {
    this.#controller = undefined;
    if (this.#listeners && this.#listeners.size > 0) this.#listeners.clear();
  }
}
