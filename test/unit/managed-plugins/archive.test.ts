// Archives of `plugin create`, taken apart.

import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { expect, test } from "vitest";
import { decompressed, tarEntries } from "../../../src/image/index.ts";
import { splitArchive } from "../../../src/managed-plugins/archive.ts";

const config = JSON.stringify({ entrypoint: ["/run"], interface: { types: [], socket: "p.sock" } });

type Entry = readonly [Partial<Header> & { readonly name: string }, string?];

async function archiveOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [header, text] of entries) archive.entry(header, text ?? "");
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function layerOf(source: AsyncIterable<Uint8Array>) {
  const found: { name: string; type: unknown; linkname?: unknown; text: string }[] = [];
  for await (const { header, body } of tarEntries(await decompressed(source))) {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    const { name, type, linkname } = header;
    found.push({ name, type, ...(linkname && { linkname }), text: Buffer.concat(parts).toString() });
  }
  return found;
}

const whole: readonly Entry[] = [
  [{ name: "./config.json" }, config],
  [{ name: "rootfs/", type: "directory" }],
  [{ name: "rootfs/run", mode: 0o755 }, "x".repeat(300_000)],
  [{ name: "rootfs/again", type: "link", linkname: "rootfs/run" }],
  [{ name: "rootfs/etc/link", type: "symlink", linkname: "/run" }],
  [{ name: "elsewhere" }, "not ours"],
];

test.each([
  ["plain", (bytes: Buffer) => bytes],
  ["compressed", (bytes: Buffer) => gzipSync(bytes)],
])("what is in rootfs becomes a layer of its own, from a %s archive", async (_, wrap) => {
  const split = splitArchive(Readable.from([wrap(await archiveOf(whole))]));
  const layer = await layerOf(split.layer);
  expect(layer.map(({ name, type, linkname, text }) => [name, type, linkname, text.length])).toEqual([
    ["run", "file", undefined, 300_000],
    ["again", "link", "run", 0],
    ["etc/link", "symlink", "/run", 0],
  ]);
  expect((await split.config).Entrypoint).toEqual(["/run"]);
});

test.each<[string, readonly Entry[], string]>([
  ["without config.json", [[{ name: "rootfs/run" }, "x"]], "config.json is missing"],
  ["without rootfs", [[{ name: "config.json" }, config]], "rootfs is missing"],
  ["with a config.json that is none", [[{ name: "config.json" }, "{"]], "plugin config"],
])("an archive %s is refused, and whoever reads the layer hears of it", async (_, entries, reason) => {
  const split = splitArchive(Readable.from([await archiveOf(entries)]));
  await expect(layerOf(split.layer)).rejects.toThrow(reason);
  await expect(split.config).rejects.toThrow(reason);
});

test("what is no archive is refused", async () => {
  const split = splitArchive(Readable.from([Buffer.alloc(2048, "no tar")]));
  await expect(layerOf(split.layer)).rejects.toThrow("plugin archive");
});

test("one that fails before its layer is read says so then, and ends no process meanwhile", async () => {
  const split = splitArchive(Readable.from([Buffer.alloc(2048, "no tar")]));
  await setTimeout(20);
  await expect(layerOf(split.layer)).rejects.toThrow("plugin archive: ");
});
