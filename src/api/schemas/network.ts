// Networks on the wire.

import type { ClusterPeerBody } from "./cluster.ts";
import { boolean, list, map, object, type Static, string } from "./decode.ts";

const ipamConfig = object("IPAMConfig", {
  Subnet: string,
  IPRange: string,
  Gateway: string,
  AuxiliaryAddresses: map(string),
  AuxAddress: map(string),
});
export type IpamConfigInput = Static<typeof ipamConfig>;

export const createNetworkRequest = object("NetworkCreateRequest", {
  Name: string,
  CheckDuplicate: boolean,
  Driver: string,
  Scope: string,
  EnableIPv4: boolean,
  EnableIPv6: boolean,
  IPAM: object("IPAM", { Driver: string, Options: map(string), Config: list(ipamConfig) }),
  Internal: boolean,
  Attachable: boolean,
  Ingress: boolean,
  ConfigOnly: boolean,
  ConfigFrom: object("ConfigReference", { Network: string }),
  Options: map(string),
  Labels: map(string),
});
export type CreateNetworkRequest = Static<typeof createNetworkRequest>;

export interface CreateNetworkResponse {
  readonly Id: string;
  readonly Warning: string;
}

export interface IpamPool {
  readonly Subnet?: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>>;
}

/** One of GET /networks; GET /networks/{id} adds what NetworkInspect has. */
export interface NetworkSummary {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: {
    readonly Driver: string;
    readonly Options: Readonly<Record<string, string>> | null;
    readonly Config: readonly IpamPool[];
  };
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: string };
  readonly ConfigOnly: boolean;
  readonly Containers?: Readonly<Record<string, NetworkContainer>>;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

/** By container id, or `ep-<endpoint id>`. */
export interface NetworkContainer {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  /** With prefix length. */
  readonly IPv4Address: string;
  readonly IPv6Address: string;
}

/** A host that has endpoints on the network; with `verbose`, ours: how the path to it is. */
export interface NetworkPeer extends Partial<Omit<ClusterPeerBody, "NodeID">> {
  readonly Name: string;
  readonly IP: string;
}

export interface NetworkInspect extends NetworkSummary {
  /** Of a network of a cluster. */
  readonly Peers?: readonly NetworkPeer[];
  readonly Containers: Readonly<Record<string, NetworkContainer>>;
  /** With `verbose`, by name. */
  readonly Services?: Readonly<Record<string, VerboseService>>;
  readonly Status: NetworkStatus;
}

/** A service as Docker's swarm shows it in a verbose inspect. */
export interface VerboseService {
  readonly VIP: string;
  /** `Target: 80, Publish: 8080`. */
  readonly Ports: readonly string[];
  readonly LocalLBIndex: number;
  readonly Tasks: readonly {
    readonly Name: string;
    readonly EndpointID: string;
    readonly EndpointIP: string;
    readonly Info: Readonly<Record<string, string>>;
  }[];
}

/** IPAM is Docker's, since API 1.52 there and in every version here; the rest is ours. */
export interface NetworkStatus {
  readonly IPAM: { readonly Subnets: Readonly<Record<string, SubnetStatus>> };
  /** Options as they took effect, defaults included. */
  readonly Effective?: Readonly<Record<string, string>>;
  /** With `verbose`. */
  readonly Kernel?: NetworkKernel;
}

/** What there is of a network in the kernel. */
export interface NetworkKernel {
  /** In the host's netns. */
  readonly Links: readonly KernelLink[];
  /** The firewall's rules for the network itself, in words. */
  readonly Firewall: readonly string[];
  /** By endpoint id. */
  readonly Endpoints: Readonly<Record<string, KernelEndpoint>>;
}

export interface KernelLink {
  /** `bridge`, `parent`, `port`. */
  readonly Role: string;
  readonly Name: string;
  /** Absent, as all that follows: there is no such link now. */
  readonly Index?: number;
  readonly MacAddress?: string;
  readonly MTU?: number;
  readonly Up?: boolean;
  /** With prefix length. */
  readonly Addresses?: readonly string[];
}

export interface KernelEndpoint {
  readonly Container: string;
  readonly Name: string;
  /** Path of the netns. */
  readonly SandboxKey?: string;
  /** Its link in the sandbox. */
  readonly Interface?: { readonly Name: string; readonly Index: number };
  /** The host's end of it. */
  readonly Port?: KernelLink;
  readonly DNSNames: readonly string[];
  /** `0.0.0.0:8080->80/tcp`. */
  readonly Ports: readonly string[];
  readonly Firewall: readonly string[];
}

/** Both saturate at what 64 bits hold. */
export interface SubnetStatus {
  readonly IPsInUse: number;
  readonly DynamicIPsAvailable: number;
}

export interface NetworksPruneResponse {
  readonly NetworksDeleted: readonly string[];
}
