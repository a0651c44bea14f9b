// What is mounted into a container: as asked for, and as it is.

import type { Labels } from "./stream.ts";

export interface BindMount {
  readonly kind: "bind";
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** rprivate (the default), private, rshared, shared, rslave, slave. */
  readonly propagation?: string;
  /** Make the source a folder when it is missing (`-v`); otherwise a missing source is an error (`--mount`). */
  readonly createSource: boolean;
  readonly nonRecursive: boolean;
  /** The mode part of `-v source:target:mode`, as given; absent from `--mount`. */
  readonly mode?: string;
}

export interface VolumeMount {
  readonly kind: "volume";
  /** Absent: a new anonymous volume. */
  readonly name?: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Do not copy what the image has at the target into an empty volume. */
  readonly noCopy: boolean;
  readonly driver?: string;
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly labels: Labels;
  readonly subpath?: string;
  /** As a bind's. */
  readonly mode?: string;
}

export interface TmpfsMount {
  readonly kind: "tmpfs";
  readonly target: string;
  readonly readOnly: boolean;
  /** Mount options as given: `size=64m`, `mode=1777`, `noexec`. */
  readonly options: readonly string[];
}

export type MountSpec = BindMount | VolumeMount | TmpfsMount;

/** `--volumes-from`. */
export interface VolumesFrom {
  readonly container: string;
  readonly readOnly: boolean;
}

export interface MountView {
  readonly kind: "bind" | "volume" | "tmpfs";
  /** A volume's name. */
  readonly name?: string;
  /** Path on the host; empty for tmpfs. */
  readonly source: string;
  readonly target: string;
  /** A volume's driver. */
  readonly driver?: string;
  /** The mode part of `-v source:target:mode`, as given. */
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: string;
}
