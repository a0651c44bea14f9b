// Telling compressed streams by their first bytes, and reading them plain.

import { Readable } from "node:stream";
import * as zlib from "node:zlib";
import { invalid } from "../util/errors.ts";

export type Compression = "none" | "gzip" | "zstd";

const magics: readonly (readonly [string, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
];

export interface Sniffed {
  readonly compression: Compression;
  /** The same bytes, the first ones included. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Looks at a stream's first bytes. Throws invalid for compressions that nothing here can read. */
export async function sniff(source: AsyncIterable<Uint8Array>): Promise<Sniffed> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  let isAtEnd = false;
  while (size < 6 && !isAtEnd) {
    const next = await iterator.next();
    isAtEnd = next.done === true;
    if (!next.done) {
      head.push(next.value);
      size += next.value.length;
    }
  }
  const start = Buffer.concat(head.map((part) => part.subarray(0, 6)));
  const name = magics.find(([, magic]) => magic.every((byte, at) => start[at] === byte))?.[0] ?? "none";
  if (name === "bzip2" || name === "xz") {
    await iterator.return?.();
    throw invalid(`read archive: ${name} compression is not supported, use gzip, zstd or none`);
  }
  return { compression: name as Compression, bytes: rejoin(head, iterator) };
}

/** The stream's plain bytes, whatever it was compressed with. */
export async function decompressed(source: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const { compression, bytes } = await sniff(source);
  if (compression === "none") return bytes;
  const input = Readable.from(bytes, { objectMode: false });
  const output = compression === "gzip" ? zlib.createGunzip() : zstd();
  input.once("error", (error) => output.destroy(error));
  // who reads it is told when they read, which may be later; until then nobody listens, and that would end the daemon
  output.on("error", () => undefined);
  return input.pipe(output);
}

/** The suffix of an OCI layer's media type. */
export function layerSuffix(compression: Compression): string {
  return compression === "none" ? "" : `+${compression}`;
}

function zstd() {
  if (typeof zlib.createZstdDecompress !== "function")
    throw invalid("read archive: zstd needs Node 22.15 or later");
  return zlib.createZstdDecompress();
}

async function* rejoin(head: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>) {
  try {
    yield* head;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
