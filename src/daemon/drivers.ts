// The drivers, each on the host that it is handed.

import createBridge from "../../drivers/bridge/index.ts";
import createCni from "../../drivers/cni/index.ts";
import createHost from "../../drivers/host/index.ts";
import createIpvlan from "../../drivers/ipvlan/index.ts";
import createMacvlan from "../../drivers/macvlan/index.ts";
import createNone from "../../drivers/none/index.ts";
import createOverlay from "../../drivers/overlay/index.ts";
import type { Host, HostSettings, NetworkDriver } from "../driverapi/index.ts";
import { createDriverNamespaces, createPrograms } from "../driverhost/index.ts";
import { createGuards } from "../firewall/index.ts";
import * as kernel from "../kernel/index.ts";
import { createParents } from "../parents/index.ts";
import type { Store } from "../store/index.ts";
import type { Log } from "../util/log.ts";
import type { Undo } from "../util/undo.ts";
import type { Failpoints } from "./failpoints.ts";
import type { Withdrawals } from "./withdrawals.ts";

export interface DriverSurroundings {
  readonly netlink: kernel.Netlink;
  readonly hostSysctl: { readonly sysctl: Host["sysctl"] };
  readonly firewall: Host["firewall"];
  readonly tunnels: Host["tunnels"];
  /** Asked for at each use: a host joins and leaves a cluster while the daemon runs. */
  readonly cluster: () => Host["cluster"];
  /** Where namespaces are pinned. */
  readonly netnsFolder: string;
  readonly ports: Host["ports"];
  readonly proxy: Host["forwarder"];
  readonly store: Store;
  readonly settings: HostSettings;
  readonly failpoints: Failpoints;
  readonly withdrawals: Withdrawals;
  readonly log: Log;
  readonly undo: Undo;
}

/** The project's own drivers. */
export function buildDrivers(hostOf: (driver: string) => Host): NetworkDriver[] {
  return [
    createBridge(hostOf("bridge")),
    createCni(hostOf("cni")),
    createHost(hostOf("host")),
    createIpvlan(hostOf("ipvlan")),
    createMacvlan(hostOf("macvlan")),
    createNone(hostOf("null")),
    createOverlay(hostOf("overlay")),
  ];
}

/**
 * The host by a driver's name: records and log are each driver's own, the rest is shared. What they keep open is closed by
 * `undo`.
 */
export function driverHosts(surroundings: DriverSurroundings): (driver: string) => Host {
  const { hostSysctl, ports, store, settings, failpoints, withdrawals, netnsFolder, log, undo } =
    surroundings;
  const netlink = failpoints.guard("netlink", surroundings.netlink, ["send", "sendAside"]);
  const shared = {
    netlink,
    link: kernel,
    sysctl: failpoints.guard("sysctl", hostSysctl.sysctl, ["write", "writeAll"]),
    firewall: withdrawals.firewall(failpoints.guard("firewall", surroundings.firewall, ["set"])),
    ports: withdrawals.ports(failpoints.guard("ports", ports, ["reserve"])),
    forwarder: withdrawals.forwarder(failpoints.guard("proxy", surroundings.proxy, ["setForwards"])),
    parents: createParents({
      netlink,
      sysctl: failpoints.guard("sysctl", hostSysctl.sysctl, ["writeAll"]),
      hostHasIpv6: settings.ipv6,
      log: log.child({ part: "parents" }),
    }),
    tunnels: failpoints.guard("tunnels", surroundings.tunnels, ["set"]),
    programs: failpoints.guard("programs", createPrograms(), ["run"]),
    settings,
  };
  const guards = createGuards();
  return (driver) => {
    const own = createDriverNamespaces({ folder: netnsFolder, driver, guards, log: log.child({ driver }) });
    undo.defer(`close namespaces of ${driver}`, () => own.close());
    return {
      ...shared,
      get cluster() {
        return surroundings.cluster();
      },
      netns: failpoints.guard("netns", own, ["open", "remove"]),
      records: store.collection(`driver ${driver}`),
      log: log.child({ driver }),
    };
  };
}
