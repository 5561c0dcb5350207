import { expect, test } from "bun:test";
import { Abortable } from "../src/abortable.ts";

class Call extends Abortable {
  reset(): void {
    this.resetAbort();
  }
}

test("the signal and all listeners are told, once, with the reason", () => {
  const call = new Call();
  const heard: string[] = [];
  call.onAbort(() => heard.push("one"));
  call.signal.addEventListener("abort", () => heard.push("signal"));
  const leave = call.onAbort(() => heard.push("left"));
  leave();
  expect(call.isAborted).toBe(false);
  call.abort("unmounted");
  expect(heard).toEqual(["signal", "one"]);
  expect(call.isAborted).toBe(true);
  expect((call.signal.reason as DOMException).message).toBe("unmounted");
});

test("the next call of the object knows nothing of the last", () => {
  const call = new Call();
  const heard: string[] = [];
  const { signal } = call;
  call.onAbort(() => heard.push("old"));
  call.reset();
  call.abort("interrupted");
  expect(heard).toEqual([]);
  expect(signal.aborted).toBe(false);
  expect(call.isAborted).toBe(true);
});
