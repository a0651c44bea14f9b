// docker push: blobs that the registry lacks go up, then the manifest.

import type { Descriptor } from "../runtime/index.ts";
import { EngineError, invalid, notFound } from "../util/errors.ts";
import type { StoredImage } from "./catalogue.ts";
import type { ImageContext } from "./context.ts";
import { byteProgress, type Report, shortDigest } from "./progress.ts";
import {
  canonicalName,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  repositoryOf,
  withDigest,
  withTag,
} from "./reference.ts";
import type { RegistryAuth } from "./registry/auth.ts";
import { connectRepository } from "./registry/connect.ts";
import { pushError } from "./registry/errors.ts";
import type { Repository } from "./registry/repository.ts";
import { throwIfAborted } from "./shared-work.ts";

export interface PushRequest {
  readonly name: string;
  /** Empty: the name's own tag, and when it has none every tag. */
  readonly tag: string;
  readonly auth?: RegistryAuth;
}

interface Target {
  readonly repository: Repository;
  readonly reference: Reference;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Pushes one tag, or all of a repository's. Throws not-found when there is none, else the registry's own words. */
export async function pushImages(
  context: ImageContext,
  request: PushRequest,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const asked = parseReference(request.name);
  if (asked.digest) throw invalid("cannot push a digest reference");
  const reference = request.tag === "" ? asked : withTag(asked, request.tag);
  const tags = reference.tag ? [reference] : tagsIn(context, reference);
  const images = tags.map((tag) => ({ tag, image: context.catalogue.named(tag) }));
  if (images.length === 0 || images.some(({ image }) => !image))
    throw notFound(
      reference.tag
        ? `tag does not exist: ${familiarString(reference)}`
        : `An image does not exist locally with the tag: ${familiarName(reference)}`,
    );
  report({ status: `The push refers to repository [${repositoryOf(reference)}]` });
  try {
    const { repository } = await connectRepository(reference, context.registry, {
      ...(request.auth && { auth: request.auth }),
      purpose: "push",
      first: (repository) => repository.ping(signal),
    });
    try {
      for (const { tag, image } of images)
        if (image) await pushOne(context, { repository, reference: tag, report, signal }, image);
    } finally {
      repository.close();
    }
  } catch (error) {
    throwIfAborted(signal);
    throw pushError(error);
  }
}

function tagsIn({ catalogue }: ImageContext, wanted: Reference): readonly Reference[] {
  return catalogue
    .images()
    .flatMap(({ id }) => catalogue.names(id).map(({ reference }) => reference))
    .filter((one) => one.tag !== undefined && repositoryOf(one) === repositoryOf(wanted));
}

async function pushOne(context: ImageContext, target: Target, image: StoredImage): Promise<void> {
  const { repository, reference, report, signal } = target;
  for (const layer of image.layers) report({ status: "Preparing", id: shortDigest(layer.digest) });
  const stop = new AbortController();
  const inner = { ...target, signal: AbortSignal.any([signal, stop.signal]) };
  const uploads = [...new Map(image.layers.map((layer) => [layer.digest, layer])).values()].map((layer) =>
    context.uploadSlots
      .run(inner.signal, () => pushBlob(context, inner, layer))
      .catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
  );
  const settled = await Promise.allSettled(uploads);
  const failed = settled.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  if (failed.length > 0) throw failed.find((error) => !isCancelled(error)) ?? failed[0];
  await pushBlob(context, { ...target, report: () => undefined }, image.configDescriptor);
  const bytes = await context.containerd.content.readAll(image.manifest.digest);
  const { mediaType, digest } = image.manifest;
  await repository.putManifest(reference.tag ?? digest, { mediaType, bytes }, signal);
  const pushed = withDigest(reference, digest);
  if (!context.catalogue.named(pushed)) await context.catalogue.setName(pushed, image);
  report({ status: `${reference.tag}: digest: ${digest} size: ${bytes.length}` });
  report({ aux: { Tag: reference.tag, Digest: digest, Size: bytes.length } });
  context.emit({ action: "push", id: familiarString(reference), name: familiarName(reference) });
}

async function pushBlob(context: ImageContext, target: Target, blob: Descriptor): Promise<void> {
  const { repository, reference, report, signal } = target;
  const { content } = context.containerd;
  const id = shortDigest(blob.digest);
  if (await repository.hasBlob(blob.digest, signal)) {
    report({ status: "Layer already exists", id });
    return;
  }
  const info = await content.info(blob.digest);
  if (!info)
    throw notFound(`push ${canonicalName(reference)}: blob ${blob.digest} is not in the content store`);
  const label = `containerd.io/distribution.source.${reference.domain}`;
  const from = (info.labels[label] ?? "").split(",").find((name) => name !== "" && name !== reference.path);
  const progress = byteProgress(report, { id, status: "Pushing", total: blob.size });
  async function* bytes() {
    let sent = 0;
    for await (const part of content.read(blob.digest, {}, { signal })) {
      yield part;
      sent += part.length;
      progress(sent);
    }
  }
  const outcome = await repository.upload(blob, bytes, { signal, ...(from && { mountFrom: from }) });
  report({ status: outcome === "mounted" ? `Mounted from ${from}` : "Pushed", id });
  if (!from) await content.updateLabels(blob.digest, { [label]: reference.path });
}

const isCancelled = (error: unknown) => error instanceof EngineError && error.kind === "cancelled";
