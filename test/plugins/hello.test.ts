import { expect, test } from "bun:test";
import hello from "../../plugins/hello.ts";
import { text } from "../conformance/case.ts";
import { conformance } from "../conformance.ts";
import { onCore } from "../support/core.ts";

conformance("hello on the core", { features: [], start: () => onCore(hello) });

test("hello says what it is told to say", async () => {
  const { client, close } = await onCore(hello, ["text=good morning"]);
  expect(await text(client, "/hello")).toBe("good morning\n");
  await close();
});

test("hello greets the world unless told otherwise", async () => {
  const { client, close } = await onCore(hello);
  expect(await text(client, "/hello")).toBe("Hello, world!\n");
  expect((await client.readdir("/")).map(({ name }) => name).sort()).toEqual([".", "..", "hello"]);
  await close();
});
