// What the pieces of the controller share. Built once by `createController`, handed down, never imported as state.

import type { IpamDriver, NetworkDriver } from "../driverapi/index.ts";
import type { Resolvers } from "../proxy/index.ts";
import type { Log } from "../util/log.ts";
import type { Background } from "./background.ts";
import type { Departures } from "./departures.ts";
import type { DriverList } from "./driver-list.ts";
import type { HostFiles } from "./etc-files.ts";
import type { GatewayDemand } from "./gateway-demand.ts";
import type { GlobalShare } from "./global/index.ts";
import type { HostPrefixes } from "./host-prefixes.ts";
import type { HostRoutes } from "./host-routes.ts";
import type { Memory } from "./memory.ts";
import type { Netns, NetnsMaker } from "./netns.ts";
import type { NetnsPool } from "./netns-pool.ts";
import type { Networks } from "./networks.ts";
import type { Records } from "./records.ts";

export interface ControllerParts {
  readonly records: Records;
  readonly memory: Memory;
  readonly networks: Networks;
  readonly globals: GlobalShare;
  readonly gatewayDemand: GatewayDemand;
  readonly drivers: DriverList<NetworkDriver>;
  readonly ipamDrivers: DriverList<IpamDriver>;
  readonly resolvers: Resolvers;
  readonly netns: NetnsMaker;
  readonly netnsPool: NetnsPool;
  /** Where pins of namespaces are. */
  readonly netnsFolder: string;
  /** A path of the host's netns, for those that join it by path. */
  readonly hostNetns: string;
  /** Moves a link of the host's netns into a sandbox, for drivers that make links outside it. */
  readonly moveLink: (name: string, netnsPath: string) => Promise<void>;
  /** Gives such a link back to the host's netns under its old name. */
  readonly returnLink: (
    from: Netns,
    link: { readonly index: number; readonly name: string },
  ) => Promise<void>;
  /** What a chosen pool must not overlap: the host's routes and resolvers. */
  readonly hostPrefixes: () => Promise<HostPrefixes>;
  readonly hostRoutes: HostRoutes;
  /** By driver: options of networks that say nothing themselves (`default-network-opts`). */
  readonly defaultNetworkOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Read anew for each container, as its network may have changed. */
  readonly hostFiles: () => Promise<HostFiles>;
  readonly hostHasIpv6: boolean;
  readonly background: Background;
  readonly departures: Departures;
  readonly log: Log;
}
