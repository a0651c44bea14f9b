// One-layer images as OCI archives that also carry Docker's manifest.json, so that any engine can load them.

import { createHash } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { pack } from "tar-stream";
import { epoch } from "./rootfs.ts";

export interface Recipe {
  /** Familiar name and tag: `nginx:latest`. */
  readonly name: string;
  readonly architecture: string;
  readonly createdBy: string;
  /** The `config` part of the OCI image configuration. */
  readonly config: Readonly<Record<string, unknown>>;
}

interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** Writes the archive to `path` in one step and answers the image id (the configuration's digest). */
export async function writeArchive(path: string, recipe: Recipe, rootfs: Buffer): Promise<string> {
  const layer = blob(await promisify(gzip)(rootfs, { level: 6 }));
  const config = json(imageConfig(recipe, digestOf(rootfs)));
  const manifest = json({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
  });
  const blobs = [config, layer, manifest].map((one) => [blobPath(one), one.bytes] as const);
  const files: (readonly [string, Buffer])[] = [
    ["oci-layout", json({ imageLayoutVersion: "1.0.0" }).bytes],
    ["index.json", json(indexOf(recipe, manifest)).bytes],
    [
      "manifest.json",
      json([{ Config: blobPath(config), RepoTags: [recipe.name], Layers: [blobPath(layer)] }]).bytes,
    ],
    ...blobs,
  ];
  const half = `${path}.${process.pid}`;
  await writeFile(half, await tarOf(files));
  await rename(half, path);
  return config.digest;
}

function imageConfig(recipe: Recipe, diffId: string) {
  const created = epoch.toISOString();
  return {
    created,
    architecture: recipe.architecture,
    os: "linux",
    config: recipe.config,
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [
      { created, created_by: recipe.createdBy },
      { created, created_by: `CMD ${JSON.stringify(recipe.config.Cmd)}`, empty_layer: true },
    ],
  };
}

function indexOf(recipe: Recipe, manifest: Blob) {
  const annotations = {
    "io.containerd.image.name": `docker.io/library/${recipe.name}`,
    "org.opencontainers.image.ref.name": recipe.name.slice(recipe.name.indexOf(":") + 1),
  };
  const platform = { architecture: recipe.architecture, os: "linux" };
  const target = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
  return {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ ...target, annotations, platform }],
  };
}

async function tarOf(files: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const out = pack();
  const bytes = buffer(out);
  for (const name of ["blobs/", "blobs/sha256/"]) {
    out.entry({ name, type: "directory", mode: 0o755, mtime: epoch });
  }
  for (const [name, body] of files) out.entry({ name, mode: 0o644, mtime: epoch }, body);
  out.finalize();
  return bytes;
}

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const blob = (bytes: Buffer): Blob => ({ digest: digestOf(bytes), bytes });
const json = (value: unknown) => blob(Buffer.from(JSON.stringify(value)));
const blobPath = (one: Blob) => `blobs/sha256/${one.digest.slice("sha256:".length)}`;
const descriptor = (mediaType: string, { digest, bytes }: Blob) => ({
  mediaType,
  digest,
  size: bytes.length,
});
