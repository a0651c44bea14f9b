// The last step of pull, load and import: an image's documents go into the content store with the labels that keep its
// parts alive, and the image gets its name.

import type { Containerd, Descriptor } from "../runtime/index.ts";
import { type StoredImage, storedImage } from "./catalogue.ts";
import type { ImageConfig, Manifest } from "./oci.ts";

export interface ImageDocuments {
  readonly manifest: Manifest;
  readonly manifestDescriptor: Descriptor;
  readonly manifestBytes: Uint8Array;
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  /** Where it came from, as `containerd.io/distribution.source.<registry>` labels. */
  readonly sourceLabels: Readonly<Record<string, string>>;
}

/** Writes configuration and manifest with their garbage-collection labels. The caller holds a lease on both. */
export async function writeDocuments(
  containerd: Containerd,
  documents: ImageDocuments,
): Promise<StoredImage> {
  const { manifest, manifestDescriptor, manifestBytes, config, configBytes, sourceLabels } = documents;
  const image = storedImage(manifestDescriptor, manifest, config);
  const top = image.chain.at(-1);
  const snapshotLabel = `containerd.io/gc.ref.snapshot.${containerd.snapshots.snapshotter}`;
  await writeBlob(containerd, manifest.config, configBytes, {
    ...sourceLabels,
    ...(top !== undefined && { [snapshotLabel]: top }),
  });
  await writeBlob(containerd, manifestDescriptor, manifestBytes, {
    ...sourceLabels,
    ...childLabels(manifest),
  });
  return image;
}

/** Writes a small blob; one that is there already gets the labels added. */
export async function writeBlob(
  containerd: Containerd,
  descriptor: Descriptor,
  bytes: Uint8Array,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const { content } = containerd;
  const { digest, size } = descriptor;
  if (!(await content.info(digest)))
    await content.write(`document-${digest}`, [bytes], { expected: digest, total: size, labels });
  // Also after writing: somebody else may have been first, with labels of their own.
  if (Object.keys(labels).length > 0) await content.updateLabels(digest, labels);
}

/** What a manifest keeps from containerd's garbage collector. */
function childLabels(manifest: Manifest): Readonly<Record<string, string>> {
  const layers = manifest.layers.map((layer, at) => [`containerd.io/gc.ref.content.l.${at}`, layer.digest]);
  return Object.fromEntries([["containerd.io/gc.ref.content.config", manifest.config.digest], ...layers]);
}
