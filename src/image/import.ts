// docker import: a root file system's tar becomes an image of one layer.

import type { Descriptor } from "../runtime/index.ts";
import { invalid } from "../util/errors.ts";
import { applyChanges } from "./changes.ts";
import { writeBlob, writeDocuments } from "./commit-image.ts";
import { layerSuffix, sniff } from "./compression.ts";
import { type ImageContext, type ImageLease, withLease } from "./context.ts";
import { describe, type ImageConfig, type Manifest, mediaTypes } from "./oci.ts";
import { hostPlatform, parsePlatform } from "./platform.ts";
import type { Report } from "./progress.ts";
import { familiarString, parseReference, type Reference, withDefaultTag, withTag } from "./reference.ts";
import { throwIfAborted } from "./shared-work.ts";

export interface ImportRequest {
  readonly source: AsyncIterable<Uint8Array>;
  /** Empty: an image without a name. */
  readonly repository: string;
  /** Empty: what the repository says, else `latest`. */
  readonly tag: string;
  readonly message: string;
  /** Dockerfile instructions to apply: `CMD …`, `ENV …`. */
  readonly changes: readonly string[];
  readonly platform?: string;
}

/** Makes the image and reports its id. Everything that can be wrong with the request is found before reading the tar. */
export async function importImage(
  context: ImageContext,
  request: ImportRequest,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const reference = nameOf(request);
  const config = applyChanges({}, request.changes);
  const platform = request.platform ? parsePlatform(request.platform) : hostPlatform();
  await withLease(context, async (lease) => {
    const layer = await takeLayer(request.source, lease, signal);
    const hold = (id: string) => lease.holdSnapshots([id]);
    const diffId = await context.unpacker.unpackLowest(layer, hold, signal);
    const created = new Date().toISOString();
    const image: ImageConfig = {
      created,
      ...platform,
      ...(request.message && { comment: request.message }),
      config,
      rootfs: { type: "layers", diff_ids: [diffId] },
      history: [{ created, comment: request.message }],
    };
    const id = await store(context, lease, { layer, image, reference });
    report({ status: id });
    context.emit({ action: "import", id, name: reference ? familiarString(reference) : id });
  });
}

function nameOf({ repository, tag }: ImportRequest): Reference | undefined {
  if (repository === "") return undefined;
  const reference = parseReference(repository);
  if (reference.digest) throw invalid("cannot import digest reference");
  return tag === "" ? withDefaultTag(reference) : withTag(reference, tag);
}

async function takeLayer(
  source: AsyncIterable<Uint8Array>,
  lease: ImageLease,
  signal: AbortSignal,
): Promise<Descriptor> {
  const { compression, bytes } = await sniff(source);
  const { content } = lease.containerd;
  const digest = await content.write(`import-${lease.id}`, bytes, {
    signal,
    hold: (made) => lease.holdBlobs([made]),
  });
  throwIfAborted(signal);
  const size = (await content.info(digest))?.size ?? 0;
  if (size === 0) throw invalid("import: the archive is empty");
  return { mediaType: `${mediaTypes.ociLayer}${layerSuffix(compression)}`, digest, size };
}

async function store(
  context: ImageContext,
  lease: ImageLease,
  made: {
    readonly layer: Descriptor;
    readonly image: ImageConfig;
    readonly reference: Reference | undefined;
  },
): Promise<string> {
  const { layer, image, reference } = made;
  const configBytes = Buffer.from(JSON.stringify(image));
  const config = describe(mediaTypes.ociConfig, configBytes);
  const manifest: Manifest = { kind: "manifest", config, layers: [layer] };
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] };
  const manifestBytes = Buffer.from(JSON.stringify(document));
  const manifestDescriptor = describe(mediaTypes.ociManifest, manifestBytes);
  await lease.holdBlobs([config.digest, manifestDescriptor.digest]);
  await writeBlob(lease.containerd, config, configBytes, {});
  const documents = { manifest, manifestDescriptor, manifestBytes, config: image, configBytes };
  const stored = await writeDocuments(lease.containerd, { ...documents, sourceLabels: {} });
  if (reference) await context.catalogue.setName(reference, stored);
  else await context.catalogue.keep(stored);
  return stored.id;
}
