// NetworkDriver: Docker's remote-plugin protocol, typed, plus optional richer answers. Drivers return values; they never
// call the controller back and never see its objects. Requests are the driver's to read and nobody's to change.

import type { ClusterAccess } from "../cluster/index.ts";
import type { Address, Mac, Prefix } from "../netip/index.ts";
import type {
  EndpointInterface,
  EndpointOptions,
  ExposedPort,
  NetworkOptions,
  PoolData,
  PortBinding,
  PublishedPort,
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

/**
 * A network driver. What holds for all calls:
 * - Requests and what is in them stay the caller's, who does not change them either: a driver may keep them, and writes
 *   nothing into them. Answers are the caller's from then on.
 * - Every call may be repeated, also when the one before failed, or when nobody knows whether it did: making what is
 *   there and deleting what is gone succeed, with the same answer.
 * - A call that throws has left nothing behind. What it throws fails the one request that it was made for, under its text;
 *   the `kind` of the error says which sort it is (`tsdocker/driverkit` has a function for each: `invalid`, `forbidden`,
 *   `notFound`, `conflict`, `notImplemented`, `unavailable`), and any other error is `internal`.
 * - What takes back (`leave`, `deleteEndpoint`, `revokeExternalConnectivity`, `forgetNetwork`) holds nothing up: what it
 *   throws is logged, the end that it is part of goes on and addresses are given back. What is left then is for `sweep`.
 * - Calls about one endpoint come one after the other, as do those that make and delete one network; all others may come
 *   side by side. The driver may ask the engine (over its API) inside any of them: nothing is locked that this needs.
 * - They end: what has no answer in time (a minute inside the daemon, two behind a socket) has failed, and what undoes it
 *   follows, even if the call is still under way.
 */
export interface NetworkDriver {
  /** For messages. A driver package is known by the name that the operator gives it (`--driver NAME=…`). */
  readonly name: string;
  /** The same as long as the driver lives. */
  readonly capabilities: Capabilities;

  /**
   * The `tsdocker.` options of networks that it understands; the controller refuses those that neither of them does.
   * One that ends with `.` stands for all that begin so. Absent: it wants to see them all.
   */
  readonly networkOptions?: ReadonlySet<string>;

  /**
   * Which gateway addresses the network will not need, asked before IPAM, and whether it will have no way out whatever
   * the user said (`internal`). Absent: all are needed. `present`: addresses that the host has on the network's device
   * already: one of them becomes the gateway, and nobody gets the others. It only looks, and so may be asked for networks
   * that are never made. @throws invalid for options that no network of this driver can have
   */
  checkGateway?(options: NetworkOptions): Promise<{
    skipIpv4: boolean;
    skipIpv6: boolean;
    internal?: boolean;
    present?: readonly Prefix[];
  }>;

  /**
   * Makes a network: when a user does, and with `capabilities.replay` at each start of the daemon for all on record, whose
   * devices may still be there. Repeated with the same request it succeeds and makes nothing more. @throws invalid
   * (options, subnets), forbidden (a conflict with another network), not-implemented (the kernel lacks something)
   */
  createNetwork(request: CreateNetworkRequest): Promise<void>;
  /**
   * Removes all that there is of a network, of endpoints too that were not deleted. One that is gone, or never was, is
   * success. When it throws, the network stays on record, and the user may try again.
   */
  deleteNetwork(request: { networkId: string }): Promise<void>;
  /**
   * The host leaves the cluster that the network is of, which goes on elsewhere: nothing of it stays here, and nothing of
   * what hosts share is changed or asked for. May be repeated; what it throws is logged. Absent: the driver keeps nothing of
   * such networks.
   */
  forgetNetwork?(request: { networkId: string }): Promise<void>;

  /**
   * Refuses options that no endpoint of this driver can have, without looking at anything else: asked when a container is
   * made, and again when it is connected. It answers at once and changes nothing. @throws invalid
   */
  checkEndpoint?(options: Pick<EndpointOptions, "driverOpts">): void;

  /**
   * An endpoint comes to be, in no sandbox yet; with `capabilities.replay` it is said again at each start of the daemon for
   * containers that went on. The answer is the endpoint's interface: the request's, where only what was empty may be
   * filled in (another value than the request's fails the endpoint). Repeated, it answers the same. @throws not-found when
   * there is no such network; invalid (options, MAC), forbidden (it cannot be beside another one), unavailable
   */
  createEndpoint(request: CreateEndpointRequest): Promise<EndpointInterface>;
  /**
   * Removes all that there is of an endpoint on the host; comes after `leave`, without it when the endpoint never joined
   * or the daemon was killed, and as the way back when something failed after `createEndpoint`. One that is gone, or never
   * was, of a network that is gone too, is success. What it throws is logged, and nobody asks again before `sweep`.
   */
  deleteEndpoint(request: DeleteEndpointRequest): Promise<void>;

  /**
   * Makes the endpoint's link for a sandbox, whose netns is there and stays until after `leave`. Left in the host's netns
   * the controller moves the link; made in the sandbox (`indexInSandbox`) it saves that. Name, addresses, routes and
   * `up` are the controller's to set. Repeated for the same sandbox it answers the same and makes nothing more. @throws
   * not-found when there is no such endpoint; forbidden when it has joined another sandbox; unavailable
   */
  join(request: JoinRequest): Promise<JoinResponse>;
  /**
   * The sandbox lets go of the endpoint, whose link the controller takes out of it after that; `join` may come again, for
   * another sandbox. Leaving what has been left, or never was, is success. What it throws is logged, and `deleteEndpoint`
   * follows all the same.
   */
  leave(request: EndpointRef): Promise<void>;

  /**
   * After a start, for an endpoint whose link is in its sandbox still: compares what there is of it with what there
   * should be, and repairs what differs. May be repeated. Never called for one that has no link any more, which joins again. What it
   * throws is logged, and the container goes on with what it has.
   */
  rejoin?(request: JoinRequest): Promise<void>;

  /**
   * Publishes ports, all of the request's and none besides: it replaces what an earlier call published of this endpoint,
   * without a cut for what stays. Answers what was published, with the host ports that were chosen; the same again when
   * nothing has changed. Absent: the driver's endpoints publish nothing. @throws conflict when a host port is taken (then
   * all is as before the call); invalid
   */
  programExternalConnectivity?(request: ExternalConnectivityRequest): Promise<readonly PublishedPort[]>;
  /** Takes back what was published. Where nothing is, that is success. What it throws is logged, and the endpoint leaves. */
  revokeExternalConnectivity?(request: EndpointRef): Promise<void>;

  /**
   * Legacy links: what an endpoint may open flows to although the network keeps its containers apart. Replaces what it
   * might before; an endpoint that is deleted has none. May be repeated. Absent: the driver never keeps them apart. @throws
   * not-found when there is no such endpoint
   */
  setLinks?(request: LinksRequest): Promise<void>;

  /**
   * After a start, when everything on record has been replayed: removes what carries the driver's mark and belongs to
   * none of these networks and endpoints. A crash left it behind. Namespaces of sandboxes that are gone are there until it
   * resolves. May be repeated. A driver package that throws here is logged, and the daemon goes on.
   */
  sweep?(known: SweepRequest): Promise<void>;

  /**
   * The host's uplink may have another MTU (`host.settings.uplinkMtu` says which): brings the links of networks that
   * follow it in line, and answers those where something changed, so that links in sandboxes follow too: none when it is
   * asked again. What a package throws is logged.
   */
  followUplink?(): Promise<readonly { readonly networkId: string; readonly mtu: number }[]>;

  /**
   * Resolves when deletions that follow their answer are done; after `withinMs` what is left stays, and the next start
   * takes or removes it. Asked as often as one likes, also when nothing is left to do. It throws nothing: each deletion
   * that failed has been logged by then.
   */
  settle?(options?: { readonly withinMs: number }): Promise<void>;

  /**
   * The network's options as they took effect, defaults included, under the names that users give them; for `network
   * inspect`, so it costs little and changes nothing. @throws not-found when there is no such network; of a package that is
   * logged, and no options are shown
   */
  effectiveOptions?(request: { networkId: string }): Promise<Readonly<Record<string, string>>>;

  /**
   * What there is of a network outside its sandboxes, read from the kernel, for `network inspect -v`. It only looks.
   * @throws not-found when there is no such network
   */
  describeNetwork?(request: { networkId: string }): Promise<NetworkDescription>;

  /**
   * Hosts that have endpoints on a network, this one included, as far as this one knows; by name. Costs little, and throws
   * nothing.
   */
  peers?(request: { networkId: string }): readonly NetworkPeer[];

  /**
   * This host is in a cluster from now on, whether it has networks there or not. The same answer until that has ended;
   * what cannot be had of it is logged and no error.
   */
  enterCluster?(cluster: ClusterAccess): Promise<ClusterStay>;
}

/** A host that carries a network. */
export interface NetworkPeer {
  readonly nodeId: string;
  /** For people: the hostname. */
  readonly name: string;
  readonly address: Address;
}

/** Whether packets truly pass to another host, as this one last tried. */
export interface PeerPath {
  readonly nodeId: string;
  /** `narrow`: small packets pass, and those that networks send do not. `away`: the host is down, and so no wonder. */
  readonly state: "ok" | "narrow" | "down" | "away";
  /** Of a small packet; absent: none came back. */
  readonly roundTripMs?: number;
  /** Bytes of the largest IP packet inside a tunnel that came back; absent: none did. */
  readonly mtu?: number;
  /** What is wrong and what to do, in words; absent: nothing. */
  readonly trouble?: string;
  readonly checkedAt: Date;
}

/** Something that a host should have, and has not. */
export interface HostLack {
  readonly nodeId: string;
  /** What does not hold there, and why, in words. */
  readonly lack: string;
}

/** What a driver does for a cluster besides its networks. */
export interface ClusterStay {
  /** To the other hosts of the cluster, as far as they were tried. Costs little, and throws nothing. */
  paths(): readonly PeerPath[];
  /**
   * Tries all of them now; resolves after a moment even if some do not answer, which is a path that is down and no error.
   * May be repeated.
   */
  tryPaths(): Promise<void>;
  /**
   * What hosts of the cluster cannot do, or guard against, that its networks rely on, as far as they said so. Costs little,
   * and throws nothing. Absent: nothing.
   */
  lacks?(): readonly HostLack[];
  /**
   * `paths`, `lacks`: one is another than before. `mtu`: networks may need another MTU (`followUplink`). May be followed
   * more than once; answers with the way to stop.
   */
  follow(listener: (change: "paths" | "lacks" | "mtu") => void): () => void;
  /**
   * `leaves`: the host goes for good and nothing stays. `clears`: the daemon ends and no container goes on, so that nothing
   * stays in the kernel. Else all that others need of it does. Called once; what it throws is logged.
   */
  end(options: { readonly leaves: boolean; readonly clears?: boolean }): Promise<void>;
}

/**
 * A driver package's default export: builds the driver on the host that it is lent, which stays the daemon's and is good
 * until the daemon ends. Called once; it changes nothing on the machine: what a driver makes, it makes in its calls. What it
 * throws keeps the driver out, and is told to whoever names it.
 */
export type NetworkDriverFactory = (host: import("./host.ts").Host) => NetworkDriver;
