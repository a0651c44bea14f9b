// Images. Their documents are Docker's own and pass through as they are.

import type { Readable } from "node:stream";
import type { Filters, JsonObject } from "./stream.ts";

/** Who a registry shall take us for: the decoded X-Registry-Auth. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
  readonly serverAddress?: string;
}

/** One object of a progress stream (moby's jsonmessage), without its error fields: a failure is thrown instead. */
export interface ProgressMessage {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly aux?: unknown;
}

/**
 * Every stream of progress may throw at any time: before its first message the error becomes the HTTP status, afterwards
 * an `errorDetail` line.
 */
export type Progress = AsyncIterable<ProgressMessage>;

export interface ImageOperations {
  /** Docker's ImageSummary documents. Filters: before, dangling, label, reference, since, until. */
  list(query: ImageQuery): Promise<readonly JsonObject[]>;
  /** Docker's ImageInspect document. Errors: not-found `No such image: x`. */
  inspect(name: string, options: { readonly platform?: string }): Promise<JsonObject>;
  history(name: string): Promise<readonly JsonObject[]>;
  pull(request: PullRequest, signal: AbortSignal): Progress;
  /** Makes an image of one layer from a tar archive of a root file system. */
  import(request: ImportRequest, signal: AbortSignal): Progress;
  load(archive: Readable, options: { readonly quiet: boolean }, signal: AbortSignal): Progress;
  /** A tar archive that `load` understands. */
  save(names: readonly string[], signal: AbortSignal): Promise<Readable>;
  push(request: PushRequest, signal: AbortSignal): Progress;
  tag(name: string, target: { readonly repository: string; readonly tag: string }): Promise<void>;
  /** `[{Untagged}|{Deleted}, …]`. Errors: not-found, conflict when in use. */
  remove(
    name: string,
    options: { readonly force: boolean; readonly noPrune: boolean },
  ): Promise<readonly JsonObject[]>;
  /** Filters: dangling, until, label. */
  prune(
    filters: Filters,
  ): Promise<{ readonly deleted: readonly JsonObject[]; readonly reclaimedBytes: number }>;
  /** `{Descriptor, Platforms}` from the registry. */
  distribution(name: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<JsonObject>;
  /** `docker login`: does the registry take it? Errors: unauthorized. */
  authenticate(auth: RegistryAuth): Promise<{ readonly status: string; readonly identityToken: string }>;
}

export interface ImageQuery {
  readonly all: boolean;
  readonly digests: boolean;
  readonly sharedSize: boolean;
  readonly manifests: boolean;
  readonly filters: Filters;
}

export interface PullRequest {
  /** `name`, `name:tag` or `name@digest`; a bare name means every tag, as in Docker's API (its CLI sends `latest`). */
  readonly reference: string;
  readonly platform?: string;
  readonly auth?: RegistryAuth;
}

export interface ImportRequest {
  readonly source: Readable;
  /** Empty: an image without a name. */
  readonly repository: string;
  readonly tag: string;
  readonly message: string;
  /** Dockerfile instructions to apply: `CMD …`, `ENV …`. */
  readonly changes: readonly string[];
  readonly platform?: string;
}

export interface PushRequest {
  readonly name: string;
  /** Empty: every tag. */
  readonly tag: string;
  readonly platform?: string;
  readonly auth?: RegistryAuth;
}
