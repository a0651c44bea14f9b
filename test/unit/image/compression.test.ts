// Streams that are compressed, or are not, or break off.

import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { decompressed, layerSuffix, sniff } from "../../../src/image/compression.ts";

const plain = Buffer.from("hello, archive ".repeat(1000));

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const collect = async (source: AsyncIterable<Uint8Array>) => await buffer(Readable.from(source));

describe("compressed streams", () => {
  it.each([
    ["none", plain],
    ["gzip", gzipSync(plain)],
    ["zstd", zstdCompressSync(plain)],
  ])("are told by their first bytes, even one by one: %s", async (name, bytes) => {
    for (const size of [1, 3, 100_000]) {
      const sniffed = await sniff(pieces(bytes, size));
      expect(sniffed.compression).toBe(name);
      expect(await collect(sniffed.bytes)).toEqual(bytes);
      expect(await collect(await decompressed(pieces(bytes, size)))).toEqual(plain);
    }
  });

  it("may be empty or short", async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("a")]) {
      const sniffed = await sniff(pieces(bytes, 1));
      expect(sniffed.compression).toBe("none");
      expect(await collect(sniffed.bytes)).toEqual(bytes);
    }
  });

  it.each([
    ["bzip2", Buffer.from("BZh91AY")],
    ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])],
  ])("are refused by name: %s", async (name, bytes) => {
    await expect(sniff(pieces(bytes, 2))).rejects.toThrow(`${name} compression is not supported`);
  });

  it("fail when they are broken", async () => {
    const broken = gzipSync(plain).subarray(0, 30);
    await expect(collect(await decompressed(pieces(broken, 10)))).rejects.toThrow();
  });

  it("fail with what their source throws", async () => {
    async function* source() {
      yield gzipSync(plain).subarray(0, 30);
      throw new Error("connection lost");
    }
    await expect(collect(await decompressed(source()))).rejects.toThrow("connection lost");
  });

  it("fail so too for who reads late, and end no process meanwhile", async () => {
    async function* source() {
      yield gzipSync(plain).subarray(0, 30);
      throw new Error("connection lost");
    }
    const late = await decompressed(source());
    await setTimeout(20);
    await expect(collect(late)).rejects.toThrow("connection lost");
  });

  it("give a layer its suffix", () => {
    expect([layerSuffix("none"), layerSuffix("gzip"), layerSuffix("zstd")]).toEqual(["", "+gzip", "+zstd"]);
  });
});
