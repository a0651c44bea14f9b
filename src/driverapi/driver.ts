// NetworkDriver: each call, what it does, whether it may be repeated and what it may throw. Drivers return values; they never
// call the controller back and never see its objects. Requests are the driver's to read and nobody's to change.

import type { ClusterAccess } from "../cluster/index.ts";
import type { Prefix } from "../netip/index.ts";
import type { ClusterStay, NetworkPeer } from "./cluster-stay.ts";
import type {
  Capabilities,
  CreateEndpointRequest,
  CreateNetworkRequest,
  DeleteEndpointRequest,
  EndpointRef,
  ExternalConnectivityRequest,
  JoinRequest,
  JoinResponse,
  LinksRequest,
  NetworkDescription,
  SweepRequest,
} from "./requests.ts";
import type { EndpointInterface, EndpointOptions, NetworkOptions, PublishedPort } from "./values.ts";

/**
 * A network driver. What holds for all calls:
 * - Requests and what is in them stay the caller's, who does not change them either: a driver may keep them, and writes
 *   nothing into them. Answers are the caller's from then on.
 * - Every call may be repeated, also when the one before failed, or when nobody knows whether it did: making what is
 *   there and deleting what is gone succeed, with the same answer.
 * - A call that throws has left nothing behind. What it throws fails the one request that it was made for, under its text;
 *   the `kind` of the error says which sort it is (`tsdocker/driverkit` has a function for each: `invalid`, `forbidden`,
 *   `notFound`, `conflict`, `notImplemented`, `unavailable`), and any other error is `internal`.
 * - What takes back (`leave`, `deleteEndpoint`, `revokeExternalConnectivity`, `forgetNetwork`) holds no end up: what it
 *   throws there is logged, the end goes on and addresses are given back. What is left then is for `sweep`.
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
   * Removes all that there is of a network, of endpoints too that were not deleted: when a user does, and with
   * `capabilities.replay` when the daemon ends and no container goes on, for the next start makes it again. One that is
   * gone, or never was, is success. When it throws, the network stays on record, and the user may try again.
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
  /**
   * Host ports that it has published besides those of `programExternalConnectivity`'s answers, for `docker ps` and alike:
   * asked when an endpoint has joined its sandbox, and when its ports have changed. It only looks, and answers soon. Absent:
   * there are none. What it throws is logged, and the container goes on.
   */
  publishedPorts?(request: EndpointRef): Promise<readonly PublishedPort[]>;
  /**
   * Takes back what was published. Where nothing is, that is success. What it throws fails the request that makes another
   * endpoint the way out; where this one leaves it is logged.
   */
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
   * resolves. May be repeated. What it throws is logged, and the daemon goes on.
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

/**
 * A driver package's default export: builds the driver on the host that it is lent, which stays the daemon's and is good
 * until the daemon ends. Called once; it changes nothing on the machine: what a driver makes, it makes in its calls. What it
 * throws keeps the driver out, and is told to whoever names it.
 */
export type NetworkDriverFactory = (host: import("./host.ts").Host) => NetworkDriver;
