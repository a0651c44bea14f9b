// A container as it is.

import type { Address, Protocol } from "../../netip/index.ts";
import type { ContainerSpec } from "./container.ts";
import type { MountView } from "./mount.ts";
import type { EndpointView } from "./network.ts";

export interface ContainerView {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly createdAt: Date;
  /** What runs: as asked for, with the image's defaults merged in (command, entrypoint, env, labels, exposed ports, user, …). */
  readonly spec: ContainerSpec;
  /** `sha256:…`. */
  readonly imageId: string;
  /** Program and arguments. */
  readonly path: string;
  readonly args: readonly string[];
  readonly state: ContainerState;
  readonly restartCount: number;
  /** The snapshotter: `overlayfs`. */
  readonly storageDriver: string;
  readonly appArmorProfile?: string;
  readonly mounts: readonly MountView[];
  readonly network: ContainerNetworkView;
  readonly execIds: readonly string[];
  /** What the container calls itself when its spec does not say. */
  readonly hostname?: string;
  /** Files on the host; absent until they exist. */
  readonly logPath?: string;
  readonly resolvConfPath?: string;
  readonly hostnamePath?: string;
  readonly hostsPath?: string;
  /** Only when asked for. */
  readonly size?: ContainerSize;
}

export type ContainerStatus =
  | "created"
  | "running"
  | "paused"
  | "restarting"
  | "removing"
  | "exited"
  | "dead";

export interface ContainerState {
  readonly status: ContainerStatus;
  /** 0 when it does not run. */
  readonly pid: number;
  readonly exitCode: number;
  /** Why the last start failed; empty otherwise. */
  readonly error: string;
  readonly oomKilled: boolean;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
  readonly health?: Health;
}

export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  readonly log: readonly HealthProbe[];
}

export interface HealthProbe {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly exitCode: number;
  readonly output: string;
}

export interface ContainerNetworkView {
  /** Empty when there is no sandbox. */
  readonly sandboxId: string;
  /** Path of the netns; empty when there is none. */
  readonly sandboxKey: string;
  /** In the order of attachment; those of a stopped container have no addresses. */
  readonly endpoints: readonly EndpointView[];
  /** What is published right now, one per host address and port. */
  readonly publishedPorts: readonly PublishedPort[];
}

/** A host port that leads to a container port. */
export interface PublishedPort {
  readonly protocol: Protocol;
  readonly containerPort: number;
  readonly hostAddress: Address;
  readonly hostPort: number;
  /** How many in a row, on both sides; absent: one. */
  readonly count?: number;
}

export interface ContainerSize {
  /** Bytes of the writable layer. */
  readonly writableBytes: number;
  /** Bytes of image and writable layer. */
  readonly rootBytes: number;
}
