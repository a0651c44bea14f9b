// The drivers, each on the host that it is handed.

import createBridge from "../../drivers/bridge/index.ts";
import createHost from "../../drivers/host/index.ts";
import createIpvlan from "../../drivers/ipvlan/index.ts";
import createMacvlan from "../../drivers/macvlan/index.ts";
import createNone from "../../drivers/none/index.ts";
import type { Host, HostSettings, NetworkDriver } from "../driverapi/index.ts";
import * as kernel from "../kernel/index.ts";
import { createParents } from "../parents/index.ts";
import type { Store } from "../store/index.ts";
import type { Log } from "../util/log.ts";
import type { Failpoints } from "./failpoints.ts";
import type { Withdrawals } from "./withdrawals.ts";

export interface DriverSurroundings {
  readonly netlink: kernel.Netlink;
  readonly hostSysctl: { readonly sysctl: Host["sysctl"] };
  readonly firewall: Host["firewall"];
  readonly ports: Host["ports"];
  readonly proxy: Host["forwarder"];
  readonly store: Store;
  readonly settings: HostSettings;
  readonly failpoints: Failpoints;
  readonly withdrawals: Withdrawals;
  readonly log: Log;
}

/** Every driver that there is. */
export function buildDrivers(surroundings: DriverSurroundings): NetworkDriver[] {
  const hostOf = driverHosts(surroundings);
  return [
    createBridge(hostOf("bridge")),
    createHost(hostOf("host")),
    createIpvlan(hostOf("ipvlan")),
    createMacvlan(hostOf("macvlan")),
    createNone(hostOf("null")),
  ];
}

/** The host by a driver's name: records and log are each driver's own, the rest is shared. */
function driverHosts(surroundings: DriverSurroundings): (driver: string) => Host {
  const { hostSysctl, ports, store, settings, failpoints, withdrawals, log } = surroundings;
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
    settings,
  };
  return (driver) => ({
    ...shared,
    records: store.collection(`driver ${driver}`),
    log: log.child({ driver }),
  });
}
