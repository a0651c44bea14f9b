// A row of GET /containers/json.

import type { ContainerView, MountView } from "../../engine/types.ts";
import { endpointWire } from "../networks/endpoint.ts";
import type { ContainerSummary, MountPoint } from "../schemas/container.ts";
import type { HostConfig } from "../schemas/container-config.ts";
import type { EndpointSettings } from "../schemas/endpoint.ts";
import type { ApiVersion } from "../version.ts";
import { networkModeText } from "./networking.ts";
import { portSummaries } from "./ports.ts";
import { statusText } from "./status.ts";

export interface ShownTo {
  readonly version: ApiVersion;
  readonly now: Date;
}

export function summarize(view: ContainerView, { version, now }: ShownTo): ContainerSummary {
  return {
    Id: view.id,
    Names: [`/${view.name}`],
    Image: view.spec.image,
    ImageID: view.imageId,
    Command: commandText(view),
    Created: Math.floor(view.createdAt.getTime() / 1000),
    Ports: portSummaries(view),
    ...sizes(view),
    Labels: view.spec.labels,
    State: view.state.status,
    Status: statusText(view.state, now),
    HostConfig: { NetworkMode: networkModeText(view.spec.networkMode) },
    NetworkSettings: { Networks: networksWire(view, version) },
    Mounts: mountsWire(view),
  };
}

/** What a process was started with, in one line; words with blanks in quotes. */
function commandText({ path, args }: ContainerView): string {
  return [path, ...args.map((word) => (word.includes(" ") ? `'${word}'` : word))].join(" ");
}

export function sizes({ size }: ContainerView): { readonly SizeRw?: number; readonly SizeRootFs?: number } {
  // an empty layer has 0 bytes and says so; an image that is gone has none to tell
  return size
    ? {
        SizeRw: size.writableBytes,
        ...(size.rootBytes > 0 && { SizeRootFs: size.rootBytes }),
      }
    : {};
}

export function networksWire(
  { id, spec, network }: ContainerView,
  version: ApiVersion,
): Readonly<Record<string, EndpointSettings>> {
  const owner = { containerId: id, hostname: spec.hostname };
  const entries = network.endpoints.map((it) => [it.networkName, endpointWire(it, version, owner)] as const);
  return Object.fromEntries(entries);
}

/** Without what HostConfig.Tmpfs names: that is shown there alone. */
export function mountsWire({ mounts, spec }: ContainerView): readonly MountPoint[] {
  const { Tmpfs } = spec.given.hostConfig as HostConfig;
  return mounts.filter(({ kind, target }) => kind !== "tmpfs" || !Tmpfs || !(target in Tmpfs)).map(mountWire);
}

function mountWire(mount: MountView): MountPoint {
  return {
    Type: mount.kind,
    ...(mount.name !== undefined && { Name: mount.name }),
    Source: mount.source,
    Destination: mount.target,
    ...(mount.driver !== undefined && { Driver: mount.driver }),
    Mode: mount.mode,
    RW: mount.writable,
    Propagation: mount.propagation,
  };
}
