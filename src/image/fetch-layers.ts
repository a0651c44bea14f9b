// The blobs of a pull: layers side by side into the content store, and bottom up into snapshots.

import type { Descriptor, Labels } from "../runtime/index.ts";
import { forbidden } from "../util/errors.ts";
import type { ImageContext } from "./context.ts";
import { downloadBlob, ingestRef } from "./download.ts";
import { type Report, shortDigest } from "./progress.ts";
import type { Repository } from "./registry/repository.ts";
import type { Layer } from "./unpack.ts";

/** Where blobs come from, and who waits for them. */
export interface BlobSource {
  readonly repository: Repository;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Brings layers in side by side and unpacks each as soon as it and the one below are there; one failure stops all. */
export async function fetchLayers(
  context: ImageContext,
  source: BlobSource,
  layers: readonly Layer[],
  labels: Labels,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([source.signal, stop.signal]);
  let failure: unknown;
  const guard = (work: Promise<void>) =>
    work.catch((error: unknown) => {
      failure ??= error;
      stop.abort(error);
      throw error;
    });
  let below: Promise<void> = Promise.resolve();
  const work = layers.map((layer) => {
    const downloaded = guard(fetchLayer(context, { ...source, signal }, layer, labels));
    below = guard(unpackAbove(context, { ...source, signal }, layer, { downloaded, below }));
    return below;
  });
  await Promise.allSettled(work);
  if (failure !== undefined) throw failure;
}

async function fetchLayer(
  context: ImageContext,
  source: BlobSource,
  layer: Layer,
  labels: Labels,
): Promise<void> {
  const id = shortDigest(layer.descriptor.digest);
  const { digest } = layer.descriptor;
  const [isHere, isUnpacked] = await Promise.all([
    context.containerd.content.info(digest),
    context.unpacker.isUnpacked(layer.chainId),
  ]);
  if (isHere && isUnpacked) {
    source.report({ status: "Already exists", id });
    return;
  }
  source.report({ status: "Pulling fs layer", id });
  await fetchBlob(context, source, layer.descriptor, labels);
}

async function unpackAbove(
  context: ImageContext,
  { report, signal }: BlobSource,
  layer: Layer,
  after: { readonly downloaded: Promise<void>; readonly below: Promise<void> },
): Promise<void> {
  await Promise.all([after.downloaded, after.below]);
  if (await context.unpacker.isUnpacked(layer.chainId)) return;
  await context.unpacker.unpack(layer, report, signal);
  report({ status: "Pull complete", id: shortDigest(layer.descriptor.digest) });
}

/** A blob that two pulls need at once comes in once. */
export async function fetchBlob(
  context: ImageContext,
  { repository, report, signal }: BlobSource,
  descriptor: Descriptor,
  labels: Labels,
): Promise<void> {
  if (descriptor.mediaType.includes("foreign") || descriptor.mediaType.includes("nondistributable"))
    throw forbidden(`pull ${descriptor.digest}: layers that may not be distributed are not supported`);
  await context.downloads.run(ingestRef(descriptor), { report, signal }, (caller) =>
    context.downloadSlots.run(caller.signal, () =>
      downloadBlob({
        content: context.containerd.content,
        descriptor,
        labels,
        open: (offset, inner) => repository.blob(descriptor.digest, offset, inner),
        report: caller.report,
        signal: caller.signal,
        attempts: context.downloadAttempts,
        retryDelayMs: context.retryDelayMs,
      }),
    ),
  );
}
