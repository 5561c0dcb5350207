import { expect, spyOn, test } from "bun:test";
import nothing from "../../plugins/null.ts";
import { using } from "../conformance/case.ts";
import { conformance } from "../conformance.ts";
import { O_RDWR } from "../support/client.ts";
import { onCore } from "../support/core.ts";

conformance("null on the core", { features: [], start: () => onCore(nothing) });

test("null forgets what is written and counts it", async () => {
  const said = spyOn(console, "log").mockImplementation(() => {});
  try {
    const { client, close } = await onCore(nothing);
    await using(client.open("/f", O_RDWR), async (file) => {
      expect(await file.write(new Uint8Array(1000).fill(7), 0)).toBe(1000);
      expect(await file.write(new Uint8Array(24).fill(7), 2 ** 30 - 24)).toBe(24);
      expect(await file.read(1000, 0)).toEqual(new Uint8Array(1000));
      expect((await file.read(1000, 2 ** 30 - 10)).length).toBe(10);
      expect((await file.stat()).size).toBe(2 ** 30);
    });
    await close();
    expect(said.mock.calls).toEqual([["1024 bytes written to f"]]);
  } finally {
    said.mockRestore();
  }
});
