// The words of the model as values: what callers ask for and what they are shown. Addresses are parsed before they come
// here.

import type {
  EndpointOptions,
  ExposedPort,
  LinkDescription,
  PortBinding,
  PublishedPort,
} from "../driverapi/index.ts";
import type { Address, Mac, Prefix } from "../netip/index.ts";

export type { ExposedPort, LinkDescription, PortBinding, PublishedPort } from "../driverapi/index.ts";
/** Counters of one interface as the container sees them. */
export type { LinkStats as InterfaceStatistics } from "../kernel/index.ts";

export interface NetworkSpec {
  readonly name: string;
  /** Empty: `bridge`. */
  readonly driver: string;
  /** `local`, `swarm`, `global` or absent. */
  readonly scope?: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly ingress: boolean;
  readonly configOnly: boolean;
  /** Name or id of the configuration-only network to take the options from. */
  readonly configFrom?: string;
  /** Absent: IPv4 yes, IPv6 no. */
  readonly enableIpv4?: boolean;
  readonly enableIpv6?: boolean;
  readonly ipam: IpamSpec;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface IpamSpec {
  /** Empty: `default`. */
  readonly driver: string;
  /** Absent when the client sent nothing: shown as null again. */
  readonly options?: Readonly<Record<string, string>>;
  readonly pools: readonly PoolSpec[];
}

export interface PoolSpec {
  /** Absent: the IPAM driver chooses. */
  readonly subnet?: Prefix;
  readonly range?: Prefix;
  readonly gateway?: Address;
  /** Addresses never handed out, by name. */
  readonly auxiliaryAddresses: Readonly<Record<string, Address>>;
}

export interface NetworkView {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly driver: string;
  readonly scope: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly ingress: boolean;
  readonly configOnly: boolean;
  readonly configFrom?: string;
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  /** As asked for, with the chosen subnets and gateways filled in. */
  readonly ipam: IpamSpec;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** bridge, host, none: made by the daemon. */
  readonly predefined: boolean;
  readonly members: readonly NetworkMember[];
  readonly pools: readonly PoolUse[];
}

export interface NetworkMember {
  readonly containerId: string;
  readonly endpointId: string;
  /** The container's name, without slash. */
  readonly name: string;
  readonly mac?: Mac;
  readonly ipv4?: Prefix;
  readonly ipv6?: Prefix;
}

/** What `network inspect -v` tells besides the view. */
export interface NetworkDetails {
  /** In the host's netns. */
  readonly links: readonly LinkDescription[];
  /** The firewall's rules for the network itself, in words. */
  readonly rules: readonly string[];
  readonly endpoints: readonly EndpointDetails[];
}

export interface EndpointDetails {
  readonly endpointId: string;
  readonly containerId: string;
  readonly containerName: string;
  /** Path of the sandbox's netns; absent where the sandbox is not served now. */
  readonly netnsPath?: string;
  /** Its link in the sandbox. */
  readonly link?: { readonly name: string; readonly index: number };
  /** The host's end of it. */
  readonly port?: LinkDescription;
  readonly dnsNames: readonly string[];
  readonly published: readonly PublishedPort[];
  readonly rules: readonly string[];
}

export interface PoolUse {
  readonly subnet: Prefix;
  readonly inUse: bigint;
  readonly available: bigint;
}

/** What an endpoint shall be like. */
export interface EndpointSpec {
  /** Name or id of the network. */
  readonly network: string;
  readonly ipv4?: Address;
  readonly ipv6?: Address;
  readonly linkLocal: readonly Address[];
  readonly mac?: Mac;
  readonly aliases: readonly string[];
  /** Names that this container alone may use for another one. */
  readonly links: readonly { readonly container: string; readonly alias: string }[];
  readonly driverOptions: EndpointOptions["driverOpts"];
  /** The endpoint with the highest one gives the default gateway. */
  readonly gatewayPriority: number;
}

/** A connected endpoint. */
export interface EndpointView {
  readonly endpointId: string;
  readonly networkId: string;
  readonly networkName: string;
  /** Absent on networks without links (host, none). */
  readonly interfaceName?: string;
  readonly mac?: Mac;
  readonly ipv4?: Prefix;
  readonly ipv6?: Prefix;
  readonly gatewayIpv4?: Address;
  readonly gatewayIpv6?: Address;
  /** Every name by which others on this network find it; the first is what reverse look-ups give. */
  readonly dnsNames: readonly string[];
  readonly published: readonly PublishedPort[];
}

/** What a sandbox knows of the container that lives in it. */
export interface SandboxSpec {
  readonly containerId: string;
  /** Without slash. */
  readonly containerName: string;
  readonly hostname: string;
  readonly domainname?: string;
  /** `own`: a netns of its own; `host`: the host's. A container that shares another's sandbox needs none. */
  readonly netns: "own" | "host";
  /** The container's sysctls; those under `net.` are written into its netns. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Where the files go that the container sees under /etc; absent: not written. */
  readonly files: { readonly hosts?: string; readonly resolvConf?: string };
  readonly dns: DnsSpec;
  /** `--add-host`, with `host-gateway` already replaced. */
  readonly extraHosts: readonly { readonly name: string; readonly address: Address }[];
  readonly exposedPorts: readonly ExposedPort[];
  readonly portBindings: readonly PortBinding[];
  /** Publish every exposed port that has no binding (`-P`). */
  readonly publishAll: boolean;
  /** In the order that names the interfaces: the first is eth0. */
  readonly endpoints: readonly EndpointSpec[];
  /** No container lives in it: ports of services lead through it. Nobody finds it by name. */
  readonly isIngress?: boolean;
}

/** What a container publishes; may change while it runs. */
export type PortsSpec = Pick<SandboxSpec, "exposedPorts" | "portBindings" | "publishAll">;

/** Absent parts come from the host's resolv.conf. */
export interface DnsSpec {
  readonly servers?: readonly Address[];
  /** Asked where neither the container nor its networks name any: the daemon's. */
  readonly fallbackServers?: readonly Address[];
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}
