// One blob from a registry into containerd's content store: resumed where an earlier attempt stopped, retried with
// growing pauses, checked by containerd against its digest and here against its size.

import { setTimeout as sleep } from "node:timers/promises";
import type { Content, ContentWriter, Descriptor, Labels } from "../runtime/index.ts";
import { EngineError, errorKind, errorMessage } from "../util/errors.ts";
import { byteProgress, type Report, shortDigest } from "./progress.ts";
import { RegistryError } from "./registry/errors.ts";
import type { BlobStream } from "./registry/repository.ts";
import { cancelledBy, throwIfAborted } from "./shared-work.ts";

export interface Download {
  readonly content: Content;
  readonly descriptor: Descriptor;
  readonly labels: Labels;
  /** Opens the blob at an offset, or earlier. */
  readonly open: (offset: number, signal: AbortSignal) => Promise<BlobStream>;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly attempts: number;
  /** The first pause between attempts, in milliseconds; each is twice the one before. */
  readonly retryDelayMs: number;
}

/** Brings the blob in; false when it was there already. An abort keeps what has arrived for the next time. */
export async function downloadBlob(download: Download): Promise<boolean> {
  const { signal, report, descriptor, attempts } = download;
  const id = shortDigest(descriptor.digest);
  for (let attempt = 1; ; attempt++) {
    try {
      return await downloadOnce(download);
    } catch (error) {
      throwIfAborted(signal);
      if (attempt >= attempts || !isWorthRetrying(error)) throw error;
      const delayMs = download.retryDelayMs * 2 ** (attempt - 1);
      const seconds = Math.max(1, Math.round(delayMs / 1000));
      report({ status: `Retrying in ${seconds} second${seconds === 1 ? "" : "s"}`, id });
      await sleep(delayMs, undefined, { signal }).catch(() => Promise.reject(cancelledBy(signal)));
    }
  }
}

/** The ingest's name: the same for whoever brings the blob in, so that they resume each other's. */
export function ingestRef(descriptor: Descriptor): string {
  return `layer-${descriptor.digest}`;
}

async function downloadOnce(download: Download): Promise<boolean> {
  const { content, descriptor, labels, signal, report } = download;
  const { digest, size } = descriptor;
  await using writer = await content.open(ingestRef(descriptor), { expected: digest, total: size, signal });
  if (!writer) return false;
  if (writer.offset > size) writer.restart();
  try {
    if (writer.offset < size) await receive(download, writer);
    report({ status: "Verifying Checksum", id: shortDigest(digest) });
    await commit(writer, descriptor, labels);
  } catch (error) {
    // Resuming bytes that are wrong would fail for ever.
    if (error instanceof VerificationError) await content.abort(ingestRef(descriptor));
    throw error;
  }
  report({ status: "Download complete", id: shortDigest(digest) });
  return true;
}

async function commit(writer: ContentWriter, { digest }: Descriptor, labels: Labels): Promise<void> {
  try {
    await writer.commit({ labels });
  } catch (error) {
    // containerd answers FAILED_PRECONDITION to bytes with another digest or size.
    if (errorKind(error) !== "conflict") throw error;
    throw new VerificationError(
      `filesystem layer verification failed for digest ${digest}: ${errorMessage(error)}`,
    );
  }
}

/** Wrong bytes: worth another attempt from the start. */
class VerificationError extends Error {}

async function receive({ descriptor, open, report, signal }: Download, writer: ContentWriter): Promise<void> {
  const { digest, size } = descriptor;
  const progress = byteProgress(report, { id: shortDigest(digest), status: "Downloading", total: size });
  const blob = await open(writer.offset, signal);
  if (blob.offset !== writer.offset) {
    if (blob.offset !== 0)
      throw new Error(`download ${digest}: got bytes from ${blob.offset}, not ${writer.offset}`);
    writer.restart();
  }
  for await (const part of blob.body) {
    if (writer.offset + part.length > size)
      throw new VerificationError(`download ${digest}: more than the ${size} bytes announced`);
    await writer.write(part);
    progress(writer.offset);
  }
  if (writer.offset < size)
    throw new Error(`download ${digest}: ${writer.offset} of ${size} bytes, then unexpected EOF`);
}

/** What the registry refuses for good, it refuses again. */
function isWorthRetrying(error: unknown): boolean {
  if (error instanceof RegistryError)
    return error.status >= 500 || error.status === 429 || error.status === 408;
  return !(error instanceof EngineError) || error.kind === "unavailable";
}
