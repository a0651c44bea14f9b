// An archive from `docker save` or an OCI layout, taken in as it streams past: blobs go straight into the content
// store, only small documents stay in memory. What the parts mean is load.ts's business.

import { posix } from "node:path";
import { buffer } from "node:stream/consumers";
import type { Descriptor } from "../runtime/index.ts";
import { EngineError, errorMessage, invalid } from "../util/errors.ts";
import { decompressed, layerSuffix, sniff } from "./compression.ts";
import type { ImageLease } from "./context.ts";
import { mediaTypes } from "./oci.ts";
import { throwIfAborted } from "./shared-work.ts";
import { type TarEntry, tarEntries } from "./tar.ts";

/** The parts of an archive by their path in it. */
export interface ArchiveParts {
  /** Blobs, now in the content store; the media type is a guess from the first bytes. */
  readonly blobs: ReadonlyMap<string, Descriptor>;
  readonly documents: ReadonlyMap<string, Buffer>;
}

const documentLimit = 8 * 1024 * 1024;
const blobPath = /^blobs\/sha256\/([0-9a-f]{64})$/;

/** Reads the whole archive. Throws invalid when it is none, or when a blob is not what its name says. */
export async function takeIn(
  source: AsyncIterable<Uint8Array>,
  lease: ImageLease,
  signal: AbortSignal,
): Promise<ArchiveParts> {
  const blobs = new Map<string, Descriptor>();
  const documents = new Map<string, Buffer>();
  const links = new Map<string, string>();
  try {
    for await (const entry of tarEntries(await decompressed(source))) {
      throwIfAborted(signal);
      const path = posix.normalize(entry.header.name).replace(/^(\.?\/)+/, "");
      const { type } = entry.header;
      if (type === "symlink" || type === "link") links.set(path, linkTarget(path, entry));
      else if (type === "file") await takeEntry(path, entry, { blobs, documents, lease, signal });
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw invalid(`read archive: ${errorMessage(error)}`, error);
  }
  for (const [path, target] of links) {
    const blob = blobs.get(target);
    if (blob) blobs.set(path, blob);
  }
  return { blobs, documents };
}

interface Taking {
  readonly blobs: Map<string, Descriptor>;
  readonly documents: Map<string, Buffer>;
  readonly lease: ImageLease;
  readonly signal: AbortSignal;
}

async function takeEntry(path: string, entry: TarEntry, taking: Taking): Promise<void> {
  const hex = blobPath.exec(path)?.[1];
  const { size } = entry.header;
  if (hex !== undefined || path.endsWith(".tar"))
    taking.blobs.set(path, await takeBlob(entry, hex && `sha256:${hex}`, taking));
  else if (path.endsWith(".json") || path === "oci-layout" || path === "repositories") {
    if (size > documentLimit) throw invalid(`read archive: ${path} has more than ${documentLimit} bytes`);
    taking.documents.set(path, await buffer(entry.body));
  }
}

async function takeBlob(entry: TarEntry, digest: string | undefined, taking: Taking): Promise<Descriptor> {
  const { lease, signal } = taking;
  const { name, size } = entry.header;
  const { content } = lease.containerd;
  const { compression, bytes } = await sniff(entry.body);
  const mediaType = `${mediaTypes.ociLayer}${layerSuffix(compression)}`;
  const expected = digest ? { expected: digest } : {};
  const ref = digest ? `load-${digest}` : `load-${lease.id}-${name}`;
  try {
    const hold = (found: string) => lease.holdBlobs([found]);
    const written = await content.write(ref, bytes, { ...expected, total: size, signal, hold });
    // A blob that was there already is not read by the content store.
    await skip(bytes);
    return { mediaType, digest: written, size };
  } catch (error) {
    throwIfAborted(signal);
    throw error instanceof EngineError && error.kind === "conflict"
      ? invalid(`read archive: ${name} is not what its name says: ${error.message}`, error)
      : error;
  }
}

async function skip(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  while (!(await iterator.next()).done);
}

function linkTarget(path: string, entry: TarEntry): string {
  const target = entry.header.linkname ?? "";
  return entry.header.type === "link" ? posix.normalize(target) : posix.join(posix.dirname(path), target);
}
