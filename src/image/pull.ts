// docker pull: resolve the name at a registry, bring in what is missing, unpack it, name it.

import { notFound } from "../util/errors.ts";
import type { StoredImage } from "./catalogue.ts";
import { writeDocuments } from "./commit-image.ts";
import { type ImageContext, type ImageLease, withLease } from "./context.ts";
import { type BlobSource, fetchBlob, fetchLayers } from "./fetch-layers.ts";
import { isIndexType, type Manifest, parseConfig, parseManifest } from "./oci.ts";
import { choosePlatform, formatPlatform, hostPlatform, type Platform, parsePlatform } from "./platform.ts";
import type { Report } from "./progress.ts";
import {
  canonicalName,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withDigest,
  withTag,
} from "./reference.ts";
import type { RegistryAuth } from "./registry/auth.ts";
import { connectRepository } from "./registry/connect.ts";
import { pullError } from "./registry/errors.ts";
import type { FetchedManifest } from "./registry/repository.ts";
import { throwIfAborted } from "./shared-work.ts";
import { layersOf } from "./unpack.ts";

export interface PullRequest {
  /** `name`, `name:tag` or `name@digest`; a bare name means every tag. */
  readonly reference: string;
  readonly platform?: string;
  readonly auth?: RegistryAuth;
}

interface Source extends BlobSource {
  readonly reference: Reference;
}

/** Pulls what the request names. Throws with Docker's messages; what has been downloaded in part stays for next time. */
export async function pullImage(
  context: ImageContext,
  request: PullRequest,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const asked = parseReference(request.reference);
  const platform = request.platform ? parsePlatform(request.platform) : hostPlatform();
  if (asked.digest ?? asked.tag)
    return await pullOne(context, { reference: asked, platform, request }, report, signal);
  for (const tag of await tagsOf(context, asked, request, signal))
    await pullOne(context, { reference: withTag(asked, tag), platform, request }, report, signal);
}

interface OnePull {
  readonly reference: Reference;
  readonly platform: Platform;
  readonly request: PullRequest;
}

async function pullOne(
  context: ImageContext,
  { reference: asked, platform, request }: OnePull,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  // With both a tag and a digest the digest decides, and the tag is not kept.
  const reference = asked.digest ? withDigest(asked, asked.digest) : asked;
  const version = reference.digest ?? reference.tag ?? "";
  try {
    const { repository, answer } = await connectRepository(reference, context.registry, {
      ...(request.auth && { auth: request.auth }),
      purpose: "pull",
      first: (repository) => repository.manifest(version, signal),
    });
    try {
      report({ status: `Pulling from ${reference.path}`, id: version });
      await pullManifest(context, { repository, reference, report, signal }, answer, platform);
    } finally {
      repository.close();
    }
  } catch (error) {
    throwIfAborted(signal);
    throw pullError(error, reference);
  }
}

async function tagsOf(
  context: ImageContext,
  reference: Reference,
  request: PullRequest,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const { repository, answer } = await connectRepository(reference, context.registry, {
      ...(request.auth && { auth: request.auth }),
      purpose: "pull",
      first: (repository) => repository.tags(signal),
    });
    repository.close();
    return answer;
  } catch (error) {
    throw pullError(error, reference);
  }
}

async function pullManifest(
  context: ImageContext,
  source: Source,
  fetched: FetchedManifest,
  platform: Platform,
): Promise<void> {
  const { reference, report } = source;
  const chosen = await manifestFor(source, fetched, platform);
  const named = withDigest(reference, fetched.descriptor.digest);
  const isNew = await bringIn(context, source, { chosen, named });
  report({ status: `Digest: ${fetched.descriptor.digest}` });
  const outcome = isNew ? "Downloaded newer image for" : "Image is up to date for";
  report({ status: `Status: ${outcome} ${familiarString(reference)}` });
  context.emit({ action: "pull", id: familiarString(reference), name: familiarName(reference) });
}

/** The manifest itself, or the one that an index has for the platform. */
async function manifestFor(source: Source, fetched: FetchedManifest, platform: Platform) {
  const parsed = parseManifest(fetched.bytes);
  if (parsed.kind === "manifest") return { ...fetched, manifest: parsed };
  const choice = choosePlatform(parsed.manifests, platform);
  if (!choice)
    throw notFound(`no matching manifest for ${formatPlatform(platform)} in the manifest list entries`);
  const inner = await source.repository.manifest(choice.digest, source.signal);
  const manifest = parseManifest(inner.bytes);
  if (manifest.kind !== "manifest" || isIndexType(inner.descriptor.mediaType))
    throw notFound(`the manifest list of ${familiarString(source.reference)} leads to another list`);
  return { ...inner, manifest };
}

interface Target {
  readonly chosen: FetchedManifest & { readonly manifest: Manifest };
  /** The repository at the digest that the registry resolved the name to. */
  readonly named: Reference;
}

/** Fetches, unpacks and names the image; false when it was all here under this name already. */
async function bringIn(context: ImageContext, source: Source, { chosen, named }: Target): Promise<boolean> {
  const { reference } = source;
  const before = context.catalogue.named(reference);
  if (before?.manifest.digest === chosen.descriptor.digest && (await isWhole(context, before))) {
    if (!context.catalogue.named(named)) await context.catalogue.setName(named, before);
    return false;
  }
  await withLease(context, async (lease) => {
    const image = await fetchImage(context, source, chosen, lease);
    throwIfAborted(source.signal);
    // The digest first: a name that can be told apart from a tag that moved.
    await context.catalogue.setName(named, image);
    if (canonicalName(named) !== canonicalName(reference)) await context.catalogue.setName(reference, image);
  });
  return true;
}

async function isWhole(context: ImageContext, image: StoredImage): Promise<boolean> {
  const top = image.chain.at(-1);
  return top === undefined || (await context.unpacker.isUnpacked(top));
}

async function fetchImage(
  context: ImageContext,
  source: Source,
  { manifest, descriptor, bytes }: Target["chosen"],
  lease: ImageLease,
): Promise<StoredImage> {
  await lease.holdBlobs([
    descriptor.digest,
    manifest.config.digest,
    ...manifest.layers.map(({ digest }) => digest),
  ]);
  const sourceLabels = {
    [`containerd.io/distribution.source.${source.reference.domain}`]: source.reference.path,
  };
  const silent = { ...source, report: () => undefined };
  await fetchBlob(context, silent, manifest.config, sourceLabels);
  const configBytes = await context.containerd.content.readAll(manifest.config.digest);
  const config = parseConfig(configBytes);
  const layers = layersOf(manifest.layers, config.rootfs.diff_ids);
  await lease.holdSnapshots(layers.map(({ chainId }) => chainId));
  await fetchLayers(context, source, layers, sourceLabels);
  const documents = { manifest, manifestDescriptor: descriptor, manifestBytes: bytes, config, configBytes };
  return await writeDocuments(lease.containerd, { ...documents, sourceLabels });
}
