/**
 * Where operations get their answers from, if that is one descriptor of messages: whoever waits for requests then waits for both, where a
 * promise alone would have to be waited for by turns of the event loop.
 */
export interface Companion {
  readonly descriptor: number;
  /** How many answers are waited for. */
  readonly waiting: number;
  /** Whether something is to be written as soon as that is possible. */
  readonly queued: boolean;
  /** Take what has come, and write what is queued, without waiting: the promises that hang on it settle. */
  readable(): boolean;
  /** True: the descriptor is waited for by others, who call `readable`. Else the companion waits for itself. */
  selfless: boolean;
}
