// What tells one driver on parent links from another: macvlan and ipvlan as values.

import type {
  CreateEndpointRequest,
  CreateNetworkRequest,
  EndpointInterface,
  Host,
  JoinResponse,
  Link,
  NetworkOptions,
  Parent,
  Request,
} from "../driverapi/index.ts";
import type { Mac } from "../netip/index.ts";
import type { ChildNetworkConfig } from "./child-options.ts";

/** The link of an endpoint, as its kind is to make it. */
export interface ChildLinkSpec {
  readonly name: string;
  /** Index of the parent. */
  readonly parent: number;
  readonly index?: number;
  readonly mtu?: number;
  readonly mac?: Mac;
  readonly netns?: string;
  readonly alias?: string;
}

/** What tells one driver on parent links from another. */
export interface ChildKind<C extends ChildNetworkConfig> {
  /** The driver's name, and the kernel's for the link. */
  readonly name: string;
  /** What a kernel is built with to have it: `CONFIG_MACVLAN`. */
  readonly kernelOption: string;
  /** @throws invalid */
  checkOptions(options: NetworkOptions): void;
  readConfig(request: CreateNetworkRequest): C;
  /** @throws forbidden when two networks cannot stand on one parent */
  checkBeside(config: C, other: C): void;
  /** The MAC of a new endpoint for which none is asked; undefined where it has none of its own. */
  chooseMac(
    config: C,
    request: CreateEndpointRequest,
    parent: () => Promise<Parent>,
  ): Promise<Mac | undefined>;
  /** @throws invalid */
  checkEndpoint(config: C, request: CreateEndpointRequest): void;
  /** Endpoints whose MAC only the controller can set, after the link is made: it is made on the host and moved. */
  isMoved(config: C, endpoint: ChildEndpoint): boolean;
  createLink(host: Host, config: C, spec: ChildLinkSpec): Request;
  /** What brings the mode of a link in line that somebody changed; undefined: nothing needs to, or can. */
  repair(host: Host, config: C, link: Link): Request | undefined;
  /** How an endpoint of a network that is not internal leaves it. */
  wayOut(config: C, own: EndpointInterface): Pick<JoinResponse, "gateway" | "gatewayIpv6" | "staticRoutes">;
  /** Its own options as they took effect. */
  describe(config: C): Readonly<Record<string, string>>;
  /** Why the kernel may have called a link of this network an invalid argument. */
  explainRefusal(config: C): string | undefined;
}

export interface ChildEndpoint {
  readonly interface: EndpointInterface;
  readonly options: CreateEndpointRequest["options"];
}
