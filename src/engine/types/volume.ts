// Volumes.

import type { Filters, JsonObject, Labels } from "./stream.ts";

export interface VolumeSpec {
  /** Absent: a new 64-digit name. */
  readonly name?: string;
  readonly driver: string;
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly labels: Labels;
}

export interface VolumeView {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly createdAt: Date;
  readonly labels: Labels;
  readonly options: Readonly<Record<string, string>>;
  readonly scope: "local" | "global";
  readonly status?: JsonObject;
  /** Ids of the containers that use it, running or not. */
  readonly usedBy: readonly string[];
  /** Only in disk usage. */
  readonly sizeBytes?: number;
}

export interface VolumeOperations {
  /** `matchesVolume` in src/engine/filters.ts tells whether a view passes. */
  list(filters: Filters): Promise<readonly VolumeView[]>;
  inspect(name: string): Promise<VolumeView>;
  /** A volume of that name with the same driver is returned as it is. */
  create(spec: VolumeSpec): Promise<VolumeView>;
  /** Errors: conflict when in use; with `force` a missing one is no error. */
  remove(name: string, options: { readonly force: boolean }): Promise<void>;
  /** Unused anonymous ones; with `all=true` in the filters named ones too. */
  prune(filters: Filters): Promise<{ readonly deleted: readonly string[]; readonly reclaimedBytes: number }>;
}
