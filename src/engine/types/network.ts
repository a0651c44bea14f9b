// Networks and a container's endpoints on them.

import type {
  EndpointSpec,
  NetworkMember as MemberOfModel,
  NetworkDetails,
  NetworkView as NetworkOfModel,
  NetworkSpec,
} from "../../cnm/index.ts";
import type { Address, Mac, Prefix } from "../../netip/index.ts";
import type { ClusterPeerView } from "./cluster.ts";
import type { ServiceView } from "./service.ts";
import type { Filters } from "./stream.ts";

// what is asked of the model is the model's
export type {
  EndpointDetails,
  EndpointSpec,
  IpamSpec,
  LinkDescription,
  NetworkDetails,
  NetworkSpec,
  PoolSpec,
  PoolUse,
} from "../../cnm/index.ts";

export interface NetworkView extends Omit<NetworkOfModel, "members"> {
  /** The endpoints of running containers. Lists need them for the dangling filter. */
  readonly members: readonly NetworkMember[];
}

/** A host that has endpoints on a network. */
export interface NetworkPeerView {
  readonly nodeId: string;
  readonly name: string;
  readonly address: Address;
  /** How the path to it is, when that was asked for; absent for this host, and where it was not tried. */
  readonly path?: ClusterPeerView;
}

/** One network, looked at closely. */
export interface NetworkInspection extends NetworkView {
  /** Of a cluster's network, this host included. */
  readonly peers: readonly NetworkPeerView[];
  /** Options as they took effect, defaults included, under the names that users give them. */
  readonly effective: Readonly<Record<string, string>>;
  /** The kernel objects behind it, when they were asked for. */
  readonly details?: NetworkDetails;
  /** With them. */
  readonly services?: readonly ServiceView[];
}

export interface NetworkMember extends Omit<MemberOfModel, "containerId"> {
  /** Absent: an endpoint that belongs to no container of ours. */
  readonly containerId?: string;
}

export interface Link {
  readonly container: string;
  readonly alias: string;
}

/** An endpoint as it is; without addresses while the container does not run. */
export interface EndpointView {
  readonly spec: EndpointSpec;
  readonly networkName: string;
  readonly networkId: string;
  /** Empty while the container does not run. */
  readonly endpointId: string;
  readonly mac?: Mac;
  readonly ipv4?: Prefix;
  readonly ipv6?: Prefix;
  readonly gatewayIpv4?: Address;
  readonly gatewayIpv6?: Address;
  /** Every name by which others on this network find it. */
  readonly dnsNames: readonly string[];
}

export interface NetworkOperations {
  /** Newest last. `matchesNetwork` in src/engine/filters.ts tells whether a view passes. */
  list(filters: Filters): Promise<readonly NetworkView[]>;
  /** Exact id, then exact name, then id prefix. Errors: not-found `network x not found`, invalid when ambiguous. */
  inspect(
    ref: string,
    options?: { readonly scope?: string; readonly isVerbose?: boolean },
  ): Promise<NetworkInspection>;
  /** Errors: conflict `network with name x already exists`, forbidden on overlap or a predefined name, not-found for a driver. */
  create(spec: NetworkSpec): Promise<{ readonly id: string; readonly warning: string }>;
  /** `endpoint.network` is `ref`. */
  connect(ref: string, containerRef: string, endpoint: EndpointSpec): Promise<void>;
  disconnect(ref: string, containerRef: string, options: { readonly force: boolean }): Promise<void>;
  /** Errors: forbidden when predefined or with active endpoints. */
  remove(ref: string): Promise<void>;
  /** Names of what went. Errors: conflict while another prune runs. */
  prune(filters: Filters): Promise<readonly string[]>;
}
