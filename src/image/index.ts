// The room's door: images, their names, and registries.

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
export type { ExecutionConfig, Healthcheck, ImageConfig } from "./oci.ts";
export { formatPlatform, hostPlatform, type Platform, parsePlatform } from "./platform.ts";
export type { ProgressMessage } from "./progress.ts";
export type { PullRequest } from "./pull.ts";
export type { PushRequest } from "./push.ts";
export {
  canonicalName,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "./reference.ts";
export type { RegistryAuth } from "./registry/auth.ts";
export type { RemovedRecord } from "./remove.ts";
