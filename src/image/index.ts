// The room's door: images, their names, and registries.

export { decompressed } from "./compression.ts";
export type { ImageEvent, ImageUser, UsersOf } from "./context.ts";
export type { HistoryRecord, ImageSummary } from "./documents.ts";
export {
  type Images,
  type ImagesOptions,
  type ImageUsage,
  openImages,
  type ResolvedImage,
} from "./images.ts";
export type { ImportRequest } from "./import.ts";
export type { Filters } from "./list.ts";
export {
  type ExecutionConfig,
  type Healthcheck,
  type ImageConfig,
  type Manifest,
  parseManifest,
} from "./oci.ts";
export { formatPlatform, hostPlatform, type Platform, parsePlatform } from "./platform.ts";
export { byteProgress, type ProgressMessage, progressStream, shortDigest } from "./progress.ts";
export type { PullRequest } from "./pull.ts";
export type { PushRequest } from "./push.ts";
export {
  canonicalName,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from "./reference.ts";
export type { RegistryAuth } from "./registry/auth.ts";
export { connectRepository, type RegistryOptions } from "./registry/connect.ts";
export { pullError, pushError } from "./registry/errors.ts";
export type { Repository } from "./registry/repository.ts";
export type { RemovedRecord } from "./remove.ts";
export { type TarEntry, tarEntries } from "./tar.ts";
