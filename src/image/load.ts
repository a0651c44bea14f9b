// docker load: images out of an archive that `docker save` (of any version since 1.10), containerd or an OCI tool wrote.

import type { Descriptor } from "../runtime/index.ts";
import { invalid } from "../util/errors.ts";
import { type ArchiveParts, takeIn } from "./archive.ts";
import type { StoredImage } from "./catalogue.ts";
import { writeBlob, writeDocuments } from "./commit-image.ts";
import { type ImageContext, type ImageLease, withLease } from "./context.ts";
import {
  describe,
  type Manifest,
  type ManifestDescriptor,
  mediaTypes,
  parseConfig,
  parseManifest,
} from "./oci.ts";
import { choosePlatform, hostPlatform } from "./platform.ts";
import { type Report, shortDigest } from "./progress.ts";
import { canonicalName, familiarName, familiarString, parseReference, withDefaultTag } from "./reference.ts";
import { throwIfAborted } from "./shared-work.ts";
import { layersOf } from "./unpack.ts";

/** An image of an archive: its documents, and the names that it goes by there. */
interface Found {
  readonly manifest: Manifest;
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly names: Set<string>;
}

interface DockerEntry {
  readonly Config: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Layers?: readonly string[] | null;
}

/** Loads every image of the archive. Throws invalid when it holds none. */
export async function loadArchive(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  {
    report,
    signal,
    isQuiet,
  }: { readonly report: Report; readonly signal: AbortSignal; readonly isQuiet: boolean },
): Promise<void> {
  await withLease(context, async (lease) => {
    const parts = await takeIn(archive, lease, signal);
    const found = await imagesOf(parts, lease);
    if (found.length === 0)
      throw invalid("load archive: neither index.json nor manifest.json names an image");
    for (const one of found) {
      throwIfAborted(signal);
      const image = await unpackFound(context, one, lease, {
        report: isQuiet ? () => undefined : report,
        signal,
      });
      await nameImage(context, image, [...one.names], report);
    }
  });
}

async function unpackFound(
  context: ImageContext,
  { manifest, descriptor, bytes }: Found,
  lease: ImageLease,
  { report, signal }: { readonly report: Report; readonly signal: AbortSignal },
): Promise<StoredImage> {
  const configBytes = await lease.containerd.content.readAll(manifest.config.digest);
  const config = parseConfig(configBytes);
  const layers = layersOf(manifest.layers, config.rootfs.diff_ids);
  await lease.holdSnapshots(layers.map(({ chainId }) => chainId));
  for (const layer of layers) {
    const id = shortDigest(layer.diffId);
    const total = layer.descriptor.size;
    const line = (current: number) =>
      report({ status: "Loading layer", id, progressDetail: { current, total } });
    await context.unpacker.unpack(layer, ({ progressDetail }) => line(progressDetail?.current ?? 0), signal);
  }
  const documents = { manifest, manifestDescriptor: descriptor, manifestBytes: bytes, config, configBytes };
  return await writeDocuments(lease.containerd, { ...documents, sourceLabels: {} });
}

async function nameImage(
  context: ImageContext,
  image: StoredImage,
  names: readonly string[],
  report: Report,
): Promise<void> {
  const { catalogue } = context;
  for (const name of names) {
    const reference = withDefaultTag(parseReference(name));
    const before = catalogue.named(reference);
    if (before && before.id !== image.id)
      report({
        stream: `The image ${familiarString(reference)} already exists, renaming the old one with ID ${before.id} to empty string\n`,
      });
    await catalogue.setName(reference, image);
    report({ stream: `Loaded image: ${familiarString(reference)}\n` });
    context.emit({ action: "load", id: image.id, name: familiarName(reference) });
  }
  if (names.length > 0) return;
  if (!catalogue.get(image.id)) await catalogue.keep(image);
  report({ stream: `Loaded image ID: ${image.id}\n` });
  context.emit({ action: "load", id: image.id, name: image.id });
}

/** Newer archives say the same thing twice, in OCI's index and in Docker's manifest.json: one image, all names. */
async function imagesOf(parts: ArchiveParts, lease: ImageLease): Promise<readonly Found[]> {
  const found = new Map<string, Found>();
  const index = parts.documents.get("index.json");
  for (const one of index ? await ociImages(index, lease) : []) merge(found, one);
  for (const entry of dockerEntries(parts)) {
    const config = await configOf(entry, parts, lease);
    const known = found.get(config.digest);
    const names = new Set((entry.RepoTags ?? []).map((name) => canonicalName(parseReference(name))));
    merge(found, known ? { ...known, names } : { ...(await dockerImage(entry, config, parts)), names });
  }
  return [...found.values()];
}

function merge(found: Map<string, Found>, one: Found): void {
  const known = found.get(one.manifest.config.digest);
  if (!known) found.set(one.manifest.config.digest, one);
  else for (const name of one.names) known.names.add(name);
}

async function ociImages(indexBytes: Buffer, lease: ImageLease): Promise<readonly Found[]> {
  const index = parseManifest(indexBytes);
  if (index.kind !== "index") throw invalid("load archive: index.json is not an index");
  const found: Found[] = [];
  for (const entry of index.manifests) {
    const one = await ociImage(entry, lease);
    if (one) found.push({ ...one, names: new Set(nameOf(entry)) });
  }
  return found;
}

/** The image behind an entry; of an index in the index, the one for this machine that is in the archive. */
async function ociImage(
  entry: ManifestDescriptor,
  lease: ImageLease,
): Promise<Omit<Found, "names"> | undefined> {
  // Attestations of BuildKit: no image.
  if (entry.platform?.os === "unknown") return undefined;
  const { content } = lease.containerd;
  if (!(await content.info(entry.digest))) throw invalid(`load archive: blob ${entry.digest} is missing`);
  const bytes = await content.readAll(entry.digest);
  const manifest = parseManifest(bytes);
  if (manifest.kind === "index") {
    const here = await Promise.all(
      manifest.manifests.map(async (one) => ((await content.info(one.digest)) ? [one] : [])),
    );
    const inner = choosePlatform(here.flat(), hostPlatform()) ?? here.flat()[0];
    return inner && (await ociImage(inner, lease));
  }
  for (const part of [manifest.config, ...manifest.layers]) {
    const info = await content.info(part.digest);
    if (!info) throw invalid(`load archive: blob ${part.digest} is missing`);
    if (info.size !== part.size)
      throw invalid(
        `load archive: blob ${part.digest} has ${info.size} bytes, its manifest says ${part.size}`,
      );
  }
  const mediaType = entry.mediaType || mediaTypes.ociManifest;
  return { manifest, bytes, descriptor: { mediaType, digest: entry.digest, size: bytes.length } };
}

function nameOf({ annotations = {} }: ManifestDescriptor): readonly string[] {
  const full = annotations["io.containerd.image.name"];
  const short = annotations["org.opencontainers.image.ref.name"];
  // Some tools write the whole name there, others (and the specification) the tag alone, which names nothing.
  const name = full ?? (short && /[:/]/.test(short) ? short : undefined);
  return name === undefined ? [] : [canonicalName(parseReference(name))];
}

function dockerEntries({ documents }: ArchiveParts): readonly DockerEntry[] {
  const bytes = documents.get("manifest.json");
  if (!bytes) return [];
  try {
    const entries: unknown = JSON.parse(bytes.toString());
    if (Array.isArray(entries)) return entries as DockerEntry[];
  } catch (error) {
    throw invalid("load archive: manifest.json is not JSON", error);
  }
  throw invalid("load archive: manifest.json is not a list");
}

/** The configuration as a blob; classic archives have it as `<hex>.json` beside the layers. */
async function configOf(
  { Config: path }: DockerEntry,
  parts: ArchiveParts,
  lease: ImageLease,
): Promise<Descriptor> {
  const blob = parts.blobs.get(path);
  if (blob) return { ...blob, mediaType: mediaTypes.ociConfig };
  const bytes = parts.documents.get(path);
  if (!bytes) throw invalid(`load archive: configuration ${path} is missing`);
  const descriptor = describe(mediaTypes.ociConfig, bytes);
  await lease.holdBlobs([descriptor.digest]);
  await writeBlob(lease.containerd, descriptor, bytes, {});
  return descriptor;
}

async function dockerImage(
  entry: DockerEntry,
  config: Descriptor,
  parts: ArchiveParts,
): Promise<Omit<Found, "names">> {
  const layers = (entry.Layers ?? []).map((path) => {
    const blob = parts.blobs.get(path);
    if (!blob) throw invalid(`load archive: layer ${path} is missing`);
    return blob;
  });
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers };
  const bytes = Buffer.from(JSON.stringify(document));
  return {
    manifest: { kind: "manifest", config, layers },
    bytes,
    descriptor: describe(mediaTypes.ociManifest, bytes),
  };
}
