// The archive of `plugin create`: config.json beside the folder rootfs, taken apart while it arrives.

import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { type Header, type Pack, pack } from "tar-stream";
import { decompressed, type TarEntry, tarEntries } from "../image/index.ts";
import { errorMessage, invalid } from "../util/errors.ts";
import { type PluginConfig, parsePluginConfig } from "./config.ts";

const configLimitBytes = 1 << 20;

export interface SplitArchive {
  /** What lies in rootfs, as a layer: gzip over tar. To be read to its end. */
  readonly layer: AsyncIterable<Uint8Array>;
  /** Settles when the archive has been read. @throws invalid */
  readonly config: Promise<PluginConfig>;
}

/** @throws invalid by way of its parts */
export function splitArchive(source: AsyncIterable<Uint8Array>): SplitArchive {
  const layer = pack();
  const config = split(source, layer).catch((error: unknown) => {
    layer.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  // who reads the layer hears of it first
  config.catch(() => undefined);
  // speed before size: it is kept here, and travels seldom
  const zipped = createGzip({ level: 1 });
  const plain = Readable.from(layer, { objectMode: false });
  plain.once("error", (error) => zipped.destroy(error));
  // heard by whoever reads it, once they do; until then nobody listens, and that would end the daemon
  zipped.on("error", () => undefined);
  return { layer: plain.pipe(zipped), config };
}

async function split(source: AsyncIterable<Uint8Array>, layer: Pack): Promise<PluginConfig> {
  let config: PluginConfig | undefined;
  let hasRootfs = false;
  for await (const entry of entriesOf(source)) {
    const name = cleanName(entry.header.name);
    if (name === "config.json") config = parsePluginConfig(await textOf(entry));
    hasRootfs ||= name === "rootfs";
    if (!name.startsWith("rootfs/")) continue;
    hasRootfs = true;
    await copyEntry(layer, inRootfs(entry.header, name), entry.body);
  }
  if (!config) throw invalid("plugin archive: config.json is missing");
  if (!hasRootfs) throw invalid("plugin archive: rootfs is missing");
  layer.finalize();
  return config;
}

async function* entriesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  try {
    yield* tarEntries(await decompressed(source));
  } catch (error) {
    throw invalid(`plugin archive: ${errorMessage(error)}`, error);
  }
}

const cleanName = (name: string) => name.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");

/** Hard links name a file of the archive, symbolic ones one of the file system. */
function inRootfs(header: Header, name: string): Header {
  const { linkname } = header;
  const target = header.type === "link" && linkname ? cleanName(linkname).replace(/^rootfs\//, "") : linkname;
  return {
    ...header,
    name: name.slice("rootfs/".length),
    ...(target !== undefined && { linkname: target }),
    // long names would be written there again
    pax: null,
  } as Header;
}

async function copyEntry(layer: Pack, header: Header, body: AsyncIterable<Uint8Array>): Promise<void> {
  const { promise: written, resolve, reject } = Promise.withResolvers<void>();
  const sink = layer.entry(header, (error) => (error ? reject(error) : resolve()));
  if (header.type === "file" || header.type === "contiguous-file") {
    for await (const chunk of body) if (!sink.write(chunk)) await roomIn(sink);
  }
  sink.end(null);
  await written;
}

/** Resolves when it takes more, or is gone. */
function roomIn(sink: ReturnType<Pack["entry"]>): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      sink.off("drain", go);
      sink.off("close", go);
      resolve();
    };
    sink.on("drain", go);
    sink.on("close", go);
    if (sink.destroyed) go();
  });
}

async function textOf({ header, body }: TarEntry): Promise<string> {
  if ((header.size ?? 0) > configLimitBytes) throw invalid("plugin archive: config.json is too long");
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
