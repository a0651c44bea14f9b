// docker save: images as one tar that is an OCI layout and carries Docker's manifest.json and repositories too, so that
// any engine since Docker 1.10 can load it.

import type { Readable } from "node:stream";
import type { Descriptor } from "../runtime/index.ts";
import { notFound } from "../util/errors.ts";
import type { StoredImage } from "./catalogue.ts";
import { type ImageContext, withLease } from "./context.ts";
import { mediaTypes } from "./oci.ts";
import { canonicalName, familiarName, familiarString, parseReference, type Reference } from "./reference.ts";
import { throwIfAborted } from "./shared-work.ts";
import { type TarFile, tarStream } from "./tar.ts";

interface Saved {
  readonly image: StoredImage;
  readonly tags: Reference[];
}

/** Opens the archive. Names are resolved first: throws not-found before any byte. A bare repository means all its tags. */
export async function saveImages(
  context: ImageContext,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Readable> {
  const saved = new Map<string, Saved>();
  for (const name of names) for (const { image, tag } of choose(context, name)) add(saved, image, tag);
  for (const { image } of saved.values()) await checkWhole(context, image);
  const stream = tarStream(files(context, [...saved.values()], signal));
  for (const { image, tags } of saved.values())
    context.emit({ action: "save", id: image.id, name: tags[0] ? familiarString(tags[0]) : image.id });
  return stream;
}

function choose(
  { catalogue }: ImageContext,
  name: string,
): readonly { image: StoredImage; tag?: Reference }[] {
  const inRepository = catalogue.images().flatMap((image) =>
    catalogue
      .names(image.id)
      .filter(({ reference }) => reference.tag !== undefined && familiarName(reference) === familiar(name))
      .map(({ reference }) => ({ image, tag: reference })),
  );
  if (inRepository.length > 0) return inRepository;
  const { image, reference } = catalogue.lookUp(name);
  return [{ image, ...(reference?.tag !== undefined && { tag: reference }) }];
}

/** The repository that a bare name means; undefined for names with a tag or a digest and for ids. */
function familiar(name: string): string | undefined {
  if (/[@]|^[0-9a-f]{64}$|:[^/]*$/.test(name)) return undefined;
  return familiarName(parseReference(name));
}

function add(saved: Map<string, Saved>, image: StoredImage, tag: Reference | undefined): void {
  const known = saved.get(image.id) ?? { image, tags: [] };
  saved.set(image.id, known);
  if (tag && !known.tags.some((one) => canonicalName(one) === canonicalName(tag))) known.tags.push(tag);
}

async function checkWhole({ containerd }: ImageContext, image: StoredImage): Promise<void> {
  for (const { digest } of blobsOf(image))
    if (!(await containerd.content.info(digest)))
      throw notFound(`save ${image.id}: blob ${digest} is not in the content store`);
}

async function* files(
  context: ImageContext,
  saved: readonly Saved[],
  signal: AbortSignal,
): AsyncGenerator<TarFile> {
  const blobs = new Map(saved.flatMap(({ image }) => blobsOf(image)).map((blob) => [blob.digest, blob]));
  // An image that is removed meanwhile is saved all the same.
  const release = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const holding = withLease(context, async (lease) => {
    await lease.holdBlobs([...blobs.keys()]);
    held.resolve();
    await release.promise;
  });
  holding.catch(held.reject);
  try {
    await held.promise;
    yield* [{ name: "blobs/" }, { name: "blobs/sha256/" }];
    for (const blob of blobs.values()) {
      throwIfAborted(signal);
      yield {
        name: pathOf(blob),
        size: blob.size,
        body: context.containerd.content.read(blob.digest, {}, { signal }),
      };
    }
    yield json("index.json", indexOf(saved));
    yield json("manifest.json", saved.map(dockerEntry));
    yield json("oci-layout", { imageLayoutVersion: "1.0.0" });
    yield json("repositories", repositories(saved));
  } finally {
    release.resolve();
    await holding;
  }
}

function indexOf(saved: readonly Saved[]) {
  const manifests = saved.flatMap(({ image, tags }) => {
    const { mediaType, digest, size } = image.manifest;
    const { os, architecture, variant } = image.config;
    const entry = { mediaType, digest, size, platform: { architecture, os, ...(variant && { variant }) } };
    if (tags.length === 0) return [entry];
    return tags.map((tag) => ({
      ...entry,
      annotations: {
        "io.containerd.image.name": canonicalName(tag),
        "org.opencontainers.image.ref.name": tag.tag,
      },
    }));
  });
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}

function dockerEntry({ image, tags }: Saved) {
  return {
    Config: pathOf(image.configDescriptor),
    RepoTags: tags.length > 0 ? tags.map(familiarString) : null,
    Layers: image.layers.map(pathOf),
  };
}

function repositories(saved: readonly Saved[]): Record<string, Record<string, string>> {
  const result: Record<string, Record<string, string>> = {};
  for (const { image, tags } of saved)
    for (const tag of tags) {
      const top = image.layers.at(-1)?.digest ?? image.id;
      const name = familiarName(tag);
      result[name] = { ...result[name], [tag.tag ?? "latest"]: top.replace("sha256:", "") };
    }
  return result;
}

function blobsOf({ manifest, configDescriptor, layers }: StoredImage): readonly Descriptor[] {
  return [manifest, configDescriptor, ...layers];
}

const pathOf = ({ digest }: Descriptor) => `blobs/${digest.replace(":", "/")}`;

function json(name: string, value: unknown): TarFile {
  const bytes = Buffer.from(JSON.stringify(value));
  return { name, size: bytes.length, body: [bytes] };
}
