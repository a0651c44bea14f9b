// A source that its reader's signal ends.

import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { interruptible } from "../../../src/image/interruptible.ts";

const never = new AbortController().signal;

async function all(source: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const part of source) text += part;
  return text;
}

describe("interruptible", () => {
  it("gives everything on", async () => {
    expect(await all(interruptible(Readable.from([Buffer.from("a"), Buffer.from("b")]), never))).toBe("ab");
  });

  it("ends at once when its caller goes while the sender is silent", async () => {
    const going = new AbortController();
    const source = new PassThrough();
    const reading = all(interruptible(source, going.signal));
    going.abort();
    await expect(reading).rejects.toMatchObject({ kind: "cancelled" });
    expect(source.destroyed).toBe(false);
  });

  it("leaves the stream open when the reader leaves", async () => {
    const source = new PassThrough();
    source.write("a");
    for await (const _ of interruptible(source, never)) break;
    expect(source.destroyed).toBe(false);
  });

  it("passes on what the source throws", async () => {
    const source = new PassThrough();
    const reading = all(interruptible(source, never));
    source.destroy(new Error("connection lost"));
    await expect(reading).rejects.toThrow("connection lost");
  });

  it("does not begin for a caller who has gone already", async () => {
    const going = new AbortController();
    going.abort();
    await expect(all(interruptible(Readable.from([]), going.signal))).rejects.toMatchObject({
      kind: "cancelled",
    });
  });
});
