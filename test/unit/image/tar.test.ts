// Archives read and written.

import { buffer, text } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TarFile, tarEntries, tarStream } from "../../../src/image/tar.ts";

const file = (name: string, body: string): TarFile => ({
  name,
  size: Buffer.byteLength(body),
  body: [Buffer.from(body)],
});

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe("tar", () => {
  it("gives back what was packed, however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 3000 })),
        fc.integer({ min: 1, max: 5000 }),
        async (bodies, size) => {
          const files = bodies.map((body, at) => file(`dir/file-${at}`, body));
          const packed = await buffer(tarStream([{ name: "dir/" }, ...files]));
          const seen: string[] = [];
          for await (const { header, body } of tarEntries(pieces(packed, size)))
            if (header.type === "file") seen.push(await text(body));
          expect(seen).toEqual(bodies);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("skips bodies that nobody reads", async () => {
    const packed = await buffer(tarStream([file("a", "x".repeat(300_000)), file("b", "y")]));
    const names: string[] = [];
    for await (const { header } of tarEntries(pieces(packed, 64 * 1024))) names.push(header.name);
    expect(names).toEqual(["a", "b"]);
  });

  it("stops reading its source when the reader leaves", async () => {
    const packed = await buffer(tarStream([file("a", "x".repeat(500_000)), file("b", "y")]));
    let isEnded = false;
    async function* source() {
      try {
        yield* pieces(packed, 1024);
      } finally {
        isEnded = true;
      }
    }
    for await (const _ of tarEntries(source())) break;
    expect(isEnded).toBe(true);
  });

  it("passes on what its source throws", async () => {
    async function* source() {
      yield Buffer.alloc(100);
      throw new Error("connection lost");
    }
    const read = async () => {
      for await (const _ of tarEntries(source()));
    };
    await expect(read()).rejects.toThrow("connection lost");
  });

  it.each([
    ["is cut off", (bytes: Buffer) => bytes.subarray(0, 700)],
    ["is noise", () => Buffer.alloc(2048, 1)],
  ])("refuses an archive that %s", async (_name, change) => {
    const packed = await buffer(tarStream([file("a", "x".repeat(1000))]));
    const read = async () => {
      for await (const { body } of tarEntries(pieces(change(packed), 512))) await buffer(body);
    };
    await expect(read()).rejects.toThrow();
  });

  it("breaks off when a body is not as long as announced, or fails", async () => {
    const short = { name: "a", size: 10, body: [Buffer.from("x")] };
    await expect(buffer(tarStream([short]))).rejects.toThrow();
    async function* failing() {
      yield Buffer.from("x");
      throw new Error("blob is gone");
    }
    await expect(buffer(tarStream([{ name: "a", size: 10, body: failing() }]))).rejects.toThrow(
      "blob is gone",
    );
  });
});
