// What network drivers are asked and what they answer: Docker's remote-plugin protocol, typed, plus optional richer answers.

import type { Address, Mac, Prefix } from "../netip/index.ts";
import type {
  EndpointInterface,
  EndpointOptions,
  ExposedPort,
  NetworkOptions,
  PoolData,
  PortBinding,
  Scope,
  StaticRoute,
} from "./values.ts";

export interface Capabilities {
  /** Where networks of this driver exist. */
  readonly scope: Scope;
  /** Where its endpoints can be reached. */
  readonly connectivityScope: Scope;
  /** After a daemon start the controller repeats createNetwork and createEndpoint for all that is stored. */
  readonly replay: boolean;
  /** Only these networks exist and users cannot make more of them (host, null). */
  readonly predefinedOnly?: boolean;
  /**
   * Its endpoints get their addresses from somewhere else when they join (`JoinResponse.interface`): its networks have the
   * IPAM driver `null` and no subnets that a user names. In process only: Docker's plugin protocol has no words for it.
   */
  readonly findsAddresses?: boolean;
}

export interface CreateNetworkRequest {
  readonly networkId: string;
  /** For names of kernel objects and messages; never an identity. */
  readonly networkName: string;
  readonly options: NetworkOptions;
  readonly ipv4Data: readonly PoolData[];
  readonly ipv6Data: readonly PoolData[];
}

export interface CreateEndpointRequest {
  readonly networkId: string;
  readonly endpointId: string;
  readonly interface: EndpointInterface;
  readonly options: EndpointOptions;
}

export interface EndpointRef {
  readonly networkId: string;
  readonly endpointId: string;
}

export interface DeleteEndpointRequest extends EndpointRef {
  /** The sandbox's netns is gone and takes its links with it: deleting them is not urgent. */
  readonly sandboxIsGone?: boolean;
  /** The link is down in a sandbox that goes on, without name and addresses: deleting it is not urgent. */
  readonly linkIsAside?: boolean;
}

export interface JoinRequest extends EndpointRef {
  /** Path of the sandbox's netns; it exists and is pinned. */
  readonly sandboxKey: string;
  /** An interface index that is free in the sandbox, for drivers that can choose one. */
  readonly freeIndex: number;
  /** Name that the link will have in the sandbox unless the answer says otherwise, e.g. `eth0`. */
  readonly suggestedName: string;
}

export interface JoinResponse {
  /**
   * The link that becomes the container's. `srcName` is its name now: in the host's netns (the controller moves it and
   * gives it the endpoint's MAC), or, with `indexInSandbox`, in the sandbox already, MAC included. Absent: the driver
   * gives the sandbox no link (host, none).
   */
  readonly link?: {
    readonly srcName: string;
    /** `eth` becomes the first free of eth0, eth1…; ignored when `dstName` is given. */
    readonly dstPrefix: string;
    readonly dstName?: string;
    readonly indexInSandbox?: number;
    /**
     * It is in the sandbox under its last name, `srcName`, and up, with its MAC, addresses and routes: the controller does
     * not set it up again. It takes over default routes, which are the sandbox's, and adds what is its own (the network's
     * routes, `--link-local-ip`, `sysctls`).
     */
    readonly isComplete?: boolean;
    /** Nothing outside the sandbox takes the link along: the controller deletes it when the endpoint leaves. */
    readonly deletedOnLeave?: boolean;
  };
  /** What was found only now, by a driver that finds addresses. One that the endpoint had before may be another now. */
  readonly interface?: EndpointInterface;
  /** Servers that the sandbox shall ask for names it does not know, besides those that its user says. */
  readonly dnsServers?: readonly Address[];
  readonly gateway?: Address;
  readonly gatewayIpv6?: Address;
  readonly staticRoutes: readonly StaticRoute[];
  /** The endpoint needs no way out of the network besides its own. */
  readonly disableGatewayService: boolean;
  /** The network leads outside although the endpoint has no gateway: names are forwarded all the same. */
  readonly isExternal?: boolean;
  /** Published ports are reached at its own addresses too, without the host's: wherever the sandbox's way out leads. */
  readonly isReachedDirectly?: boolean;
  /** Sysctls of the link, `IFNAME` standing for its final name: `net.ipv6.conf.IFNAME.disable_ipv6`. */
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** Publish the sandbox's ports, as far as they are this endpoint's to publish. */
export interface ExternalConnectivityRequest extends EndpointRef {
  /** The families for which it is the sandbox's way out: neither for one that is only reached directly. */
  readonly gateways: { readonly ipv4: boolean; readonly ipv6: boolean };
  /** Another endpoint of the sandbox is its way out for IPv6: IPv6 host addresses are that one's to publish. */
  readonly ipv6Elsewhere: boolean;
  readonly portBindings: readonly PortBinding[];
  readonly exposedPorts: readonly ExposedPort[];
}

/** An endpoint of the same network, with the ports at which it may be reached. */
export interface LinkedEndpoint {
  readonly endpointId: string;
  readonly ports: readonly ExposedPort[];
}

export interface LinksRequest extends EndpointRef {
  readonly links: readonly LinkedEndpoint[];
}

export interface SweepRequest {
  readonly networkIds: ReadonlySet<string>;
  readonly endpointIds: ReadonlySet<string>;
}

/** A link in the host's netns. */
export interface LinkDescription {
  /** What it is to the network: `bridge`, `parent`, `port`. */
  readonly role: string;
  readonly name: string;
  /** Absent, as all that follows: there is no such link now. */
  readonly index?: number;
  readonly mac?: Mac;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly addresses?: readonly Prefix[];
}

export interface EndpointDescription {
  /** The host's end of its link; absent where there is none. */
  readonly port?: LinkDescription;
  /** The firewall's rules for it, in words. */
  readonly rules: readonly string[];
}

export interface NetworkDescription {
  readonly links: readonly LinkDescription[];
  /** The firewall's rules for the network itself, in words. */
  readonly rules: readonly string[];
  /** By endpoint id. */
  readonly endpoints: ReadonlyMap<string, EndpointDescription>;
}
