// Volumes on the wire.

import { map, object, string } from "./decode.ts";

export const createVolumeRequest = object("VolumeCreateRequest", {
  Name: string,
  Driver: string,
  DriverOpts: map(string),
  Labels: map(string),
});

export interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly CreatedAt: string;
  readonly Status?: Readonly<Record<string, unknown>>;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Scope: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly UsageData?: { readonly Size: number; readonly RefCount: number };
}

export interface VolumesResponse {
  readonly Volumes: readonly Volume[];
  readonly Warnings: readonly string[] | null;
}

export interface VolumesPruneResponse {
  readonly VolumesDeleted: readonly string[];
  readonly SpaceReclaimed: number;
}
