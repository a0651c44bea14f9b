// OCI and Docker documents: indexes, manifests, image configurations, and the digests that tie them together.

import { createHash } from "node:crypto";
import type { Descriptor } from "../runtime/index.ts";
import { invalid } from "../util/errors.ts";
import type { Platform } from "./platform.ts";
import { isDigest } from "./reference.ts";

export const mediaTypes = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
} as const;

/** What a registry is asked for. */
export const acceptedManifests: readonly string[] = [
  mediaTypes.dockerManifest,
  mediaTypes.dockerList,
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
];

export interface ManifestDescriptor extends Descriptor {
  readonly platform?: Platform;
}

export interface Index {
  readonly kind: "index";
  readonly manifests: readonly ManifestDescriptor[];
}

export interface Manifest {
  readonly kind: "manifest";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** The execution defaults of an image, in OCI's (and Docker's) spelling. */
export interface ExecutionConfig {
  readonly Env?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly StopTimeout?: number;
  readonly Healthcheck?: Healthcheck;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
}

/** Times in nanoseconds. */
export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** The image configuration: the document whose digest is the image's id. */
export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly docker_version?: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly config?: ExecutionConfig;
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly string[] };
  readonly history?: readonly HistoryEntry[];
}

/** `sha256:` and the hash in hex. */
export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The names of a stack of layers, bottom first: chain n is the digest of "chain n-1, diff id n" (OCI image spec). */
export function chainIds(diffIds: readonly string[]): readonly string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

/** Parses an index or a manifest of either family; throws invalid on anything else, schema 1 by name. */
export function parseManifest(bytes: Uint8Array): Index | Manifest {
  const document = parseObject(bytes, "manifest");
  if (document.schemaVersion === 1)
    throw invalid("parse manifest: Docker Image Format v1 and schema version 1 are not supported");
  if (Array.isArray(document.manifests))
    return { kind: "index", manifests: document.manifests.map(toManifestDescriptor) };
  if (!Array.isArray(document.layers))
    throw invalid("parse manifest: neither an index nor an image manifest");
  return {
    kind: "manifest",
    config: toDescriptor(document.config),
    layers: document.layers.map(toDescriptor),
  };
}

/** Parses an image configuration; throws invalid when its parts that an engine needs are missing. */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const config = parseObject(bytes, "image configuration");
  const rootfs = config.rootfs;
  const diffIds = isObject(rootfs) ? rootfs.diff_ids : undefined;
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === "string" && isDigest(id)))
    throw invalid("parse image configuration: rootfs.diff_ids is not a list of digests");
  if (typeof config.os !== "string" || typeof config.architecture !== "string")
    throw invalid("parse image configuration: os or architecture is missing");
  if (config.config !== undefined && config.config !== null && !isObject(config.config))
    throw invalid("parse image configuration: config is not an object");
  return config as unknown as ImageConfig;
}

/** The descriptor of bytes at hand. */
export function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** A list of manifests, by platform. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;
}

function toManifestDescriptor(value: unknown): ManifestDescriptor {
  const descriptor = toDescriptor(value);
  const platform = isObject(value) && isObject(value.platform) ? value.platform : undefined;
  if (typeof platform?.os !== "string" || typeof platform.architecture !== "string") return descriptor;
  const variant = typeof platform.variant === "string" ? platform.variant : undefined;
  const { os, architecture } = platform as { os: string; architecture: string };
  return { ...descriptor, platform: { os, architecture, ...(variant && { variant }) } };
}

function toDescriptor(value: unknown): Descriptor {
  if (!isObject(value)) throw invalid("parse manifest: a descriptor is not an object");
  const { mediaType, digest, size, annotations } = value;
  if (typeof digest !== "string" || !isDigest(digest))
    throw invalid(`parse manifest: bad digest ${JSON.stringify(digest)}`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`parse manifest: bad size of ${digest}`);
  return {
    mediaType: typeof mediaType === "string" ? mediaType : "",
    digest,
    size,
    ...(isObject(annotations) && { annotations: annotations as Record<string, string> }),
  };
}

function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw invalid(`parse ${what}: not JSON`, error);
  }
  if (!isObject(value)) throw invalid(`parse ${what}: not an object`);
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
