// Managed plugins: those that the daemon runs itself. Their documents are Docker's own and pass through as they are.

import type { Readable } from "node:stream";
import type { Progress, RegistryAuth } from "./image.ts";
import type { Filters, JsonObject } from "./stream.ts";

/** What a plugin may do beyond a container. */
export interface PluginPrivilege {
  readonly Name: string;
  readonly Description: string;
  readonly Value: readonly string[];
}

/** `remote` is a reference to a registry, as typed. */
export interface PluginPullRequest {
  readonly remote: string;
  /** What it shall be called here; absent: as there. */
  readonly name?: string;
  /** What the user agreed to. */
  readonly privileges: readonly PluginPrivilege[];
  readonly auth?: RegistryAuth;
}

/** `ref` is a name (`:latest` may be left out), an id, or the start of one. */
export interface PluginOperations {
  /** Docker's Plugin documents. Filters: enabled, capability. */
  list(filters: Filters): readonly JsonObject[];
  inspect(ref: string): JsonObject;
  /** What a plugin at a registry asks for. */
  privileges(
    remote: string,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
  ): Promise<readonly PluginPrivilege[]>;
  /** Errors: forbidden when the privileges are not those that it asks for, conflict when the name is taken. */
  pull(
    request: PluginPullRequest,
    signal: AbortSignal,
  ): { readonly name: string; readonly progress: Progress };
  /** A tar archive of config.json and rootfs. */
  create(name: string, archive: Readable): Promise<void>;
  /** Resolves when its socket answers. `timeoutS` is for each call to it; 0: the usual one. */
  enable(ref: string, options: { readonly timeoutS: number }): Promise<void>;
  /** Errors: conflict while networks use it, unless forced. */
  disable(ref: string, options: { readonly force: boolean }): Promise<void>;
  /** `NAME=value`, of one that is disabled. */
  set(ref: string, wishes: readonly string[]): Promise<void>;
  /** Errors: conflict while it is enabled or in use, unless forced. */
  remove(ref: string, options: { readonly force: boolean }): Promise<void>;
  /** What it is called stays, and its settings. Errors: as pull; conflict while it is enabled. */
  upgrade(ref: string, request: PluginPullRequest, signal: AbortSignal): Progress;
  push(ref: string, auth: RegistryAuth | undefined, signal: AbortSignal): Progress;
}
