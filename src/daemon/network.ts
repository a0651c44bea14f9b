// Builds the network side of the daemon: the host's netlink, firewall, ports and forwarder, and the controller on the
// drivers.

import { access, constants, readFile } from "node:fs/promises";
import { join } from "node:path";
import createDefaultIpam, { hostIdFrom } from "../../drivers/ipam-default/index.ts";
import createNullIpam from "../../drivers/ipam-null/index.ts";
import type { Cluster } from "../cluster/index.ts";
import {
  type Controller,
  createController,
  createNetnsMaker,
  type DefaultBridgeConfig,
  type EndpointLoss,
  Ingress,
  isIngressId,
  type LiveContainers,
  type WatchedHostRoutes,
  watchHostRoutes,
} from "../cnm/index.ts";
import type { Host, HostSettings } from "../driverapi/index.ts";
import { createFirewall, createTunnelGuard, type OwnedFirewall } from "../firewall/index.ts";
import * as kernel from "../kernel/index.ts";
import { setBalance, setDnsRedirect, setIngress } from "../kernel/nftables/index.ts";
import { type PluginSource, Plugins } from "../plugins/index.ts";
import { createPorts } from "../ports/index.ts";
import { type ProxyHandle, type ProxyOptions, type ResolverPorts, startProxy } from "../proxy/index.ts";
import type { Store } from "../store/index.ts";
import { errorMessage, invalid } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { Undo } from "../util/undo.ts";
import { ClusterNetworks } from "./cluster/networks.ts";
import { withServices } from "./cluster/services.ts";
import type { ClusterUser } from "./cluster/users.ts";
import type { Config } from "./config.ts";
import { buildDrivers, driverHosts } from "./drivers.ts";
import type { Failpoints } from "./failpoints.ts";
import { guardNetns } from "./guarded.ts";
import { openHostSysctl } from "./host-sysctl.ts";
import type { Leaving } from "./leaving.ts";
import { loadDrivers } from "./loaded-drivers/index.ts";
import type { NetworkConfig } from "./network-config.ts";
import { createPluginDrivers } from "./plugin-drivers.ts";
import { findProgram } from "./programs.ts";
import { Withdrawals } from "./withdrawals.ts";

const ownNetns = "/proc/self/ns/net";

export interface NetworkSide {
  readonly controller: Controller;
  /** Ports of services, open on this host too. */
  readonly ingress: Ingress;
  readonly firewall: OwnedFirewall;
  /** Who is told when somebody else's change of the firewall was undone; the last one set. */
  onFirewallRepaired(listener: () => void): void;
  /** Who disconnects containers that cannot stay on a network of the cluster; the last one set. */
  onEndpointLost(listener: (loss: EndpointLoss) => void): void;
  /** Begins and ends with the host's part in a cluster. */
  readonly clusterUser: ClusterUser;
  /** Outlives the daemon. */
  readonly proxy: ProxyHandle;
}

export interface NetworkSurroundings {
  readonly store: Store;
  readonly hostId: string;
  readonly failpoints: Failpoints;
  /** Ids of containers that run already. */
  readonly live: Promise<ReadonlyMap<string, number>>;
  readonly leaving: Leaving;
  /** Plugins that the daemon runs itself. */
  readonly managed: PluginSource;
  /** What hosts share, while this one is in a cluster. */
  readonly cluster: () => Cluster | undefined;
  readonly log: Log;
  readonly undo: Undo;
}

/** Everything that is built goes onto `undo`, so that unwinding leaves the kernel as it was found, or as it is. */
export async function buildNetwork(config: Config, surroundings: NetworkSurroundings): Promise<NetworkSide> {
  const { store, hostId, failpoints, live, leaving, log, undo } = surroundings;
  const { network } = config;
  const built: Built = {};
  const opened = await openParts(config, { built, leaving, log, undo });
  const { netlink, firewall, proxy } = opened;
  const hostRoutes = await watchHostRoutes({
    netlink,
    uplinkChanged: () => {
      built.controller?.followUplink().catch((error) => {
        log.error({ reason: errorMessage(error) }, "cannot give networks the uplink's MTU");
      });
    },
    log,
  });
  undo.defer("end watching routes", () => hostRoutes.close());
  const settings = await readSettings(network, { hostRoutes, sysctl: opened.hostSysctl.sysctl });
  // what the proxy kept while there was no daemon: whose container lives on reserves it again
  const ports = createPorts({ held: await proxy.heldSockets() });
  const withdrawals = new Withdrawals(log);
  const netnsFolder = join(config.execRoot, "netns");
  undo.defer("remove netns folder", () => !leaving.keeps && kernel.deleteNetnsFolder(netnsFolder));
  const clusterNetworks = new ClusterNetworks(log);
  const cluster = surroundings.cluster();
  const entry = cluster && (await clusterNetworks.enter(cluster));
  const hostOf = driverHosts({
    ...opened,
    cluster: surroundings.cluster,
    netnsFolder,
    ports,
    store,
    settings,
    failpoints,
    withdrawals,
    log,
    undo,
  });
  const ipamOptions = { defaultPools: network.addressPools, hostId: await readMachineId(hostId) };
  const ownIpam = [createDefaultIpam(ipamOptions), createNullIpam({ defaultPools: [] })];
  const ownDrivers = buildDrivers(hostOf);
  const loaded = await loadDrivers(network.drivers, {
    hostOf,
    ipamOptions,
    taken: [...ownDrivers, ...ownIpam].map(({ name }) => name),
    store,
    log: log.child({ part: "drivers" }),
    undo,
  });
  const drivers = [...ownDrivers, ...loaded.network];
  const plugins = new Plugins({
    folders: network.plugins,
    managed: surroundings.managed,
    debts: store.collection("plugin debts"),
    log: log.child({ part: "plugins" }),
  });
  undo.defer("let go of plugins", () => plugins.close());
  const pluginDrivers = createPluginDrivers(plugins, { store, log });
  const controller = await createController({
    store,
    drivers,
    ipamDrivers: [...ownIpam, ...loaded.ipam],
    plugins: loaded.beside(pluginDrivers),
    resolvers: withdrawals.resolvers(failpoints.guard("proxy", proxy, ["setResolver", "setRecord"])),
    netns: guardNetns(failpoints, createNetnsMaker(setDnsRedirect, setBalance)),
    netnsFolder,
    hostNetlink: netlink,
    hostNetns: ownNetns,
    hostHasIpv6: settings.ipv6,
    hostFiles: await hostFilesReader(network.resolvConf),
    hostRoutes,
    defaultNetworkOptions: network.defaultNetworkOptions,
    ...defaultBridge(network),
    live: withIngress(await live),
    ...(entry && { cluster: entry }),
    endpointLost: (loss) => {
      if (!built.ingress?.lost(loss)) built.onEndpointLost?.(loss);
    },
    log: log.child({ part: "cnm" }),
  });
  built.controller = controller;
  const ingress = new Ingress({ controller, setIngress, log: log.child({ part: "ingress" }) });
  built.ingress = ingress;
  clusterNetworks.controlledBy(controller, [...drivers, pluginDrivers.inCluster]);
  undo.defer("close controller", () => controller.close({ keeps: leaving.keeps }));
  undo.defer("close ports of services", () => ingress.close({ keeps: leaving.keeps }));
  undo.defer("end trying paths to other hosts", () => clusterNetworks.close({ keeps: leaving.keeps }));
  // in one transaction all that was restored: live ports are never without their rules
  await firewall.start();
  await proxy.sweep();
  ports.sweep();
  // the uplink may have changed while no daemon looked
  await controller.followUplink();
  return {
    controller,
    ingress,
    firewall,
    proxy,
    clusterUser: withServices(clusterNetworks, ingress),
    onFirewallRepaired: (listener) => {
      built.onRepaired = listener;
    },
    onEndpointLost: (listener) => {
      built.onEndpointLost = listener;
    },
  };
}

/** Who is told of events by parts that are there before them. */
interface Built {
  controller?: Controller;
  ingress?: Ingress;
  onRepaired?: () => void;
  onEndpointLost?: (loss: EndpointLoss) => void;
}

/** The daemon's hands on the machine, opened side by side. */
async function openParts(
  config: Config,
  {
    built,
    leaving,
    log,
    undo,
  }: Pick<NetworkSurroundings, "leaving" | "log" | "undo"> & { readonly built: Built },
) {
  const portsMoved = (sandboxId: string, ports: ResolverPorts) => {
    built.controller?.redirectDns(sandboxId, ports).catch((error) => {
      log.error({ sandbox: sandboxId, reason: errorMessage(error) }, "cannot lead a sandbox to its resolver");
    });
  };
  const openings = [
    owned(undo, "restore sysctls", {
      opening: openHostSysctl(join(config.execRoot, "sysctls.json")),
      close: (it) => !leaving.keeps && it.restore(),
    }),
    owned(undo, "close netlink", { opening: kernel.openNetlink(), close: (it) => it.close() }),
    owned(undo, "end firewall", {
      opening: openFirewall(config.network, { log, onRepaired: () => built.onRepaired?.() }),
      close: (it) => (leaving.keeps ? it.close() : it.stop()),
    }),
    owned(undo, "end proxy", {
      opening: openProxy(config, { log, portsMoved }),
      close: (it) => (leaving.keeps ? it.detach() : it.stop()),
    }),
  ] as const;
  // all of them, also when one fails: what was opened is on the undo stack then
  await Promise.allSettled(openings);
  const tunnels = createTunnelGuard({ log: log.child({ part: "firewall" }) });
  undo.defer("end guarding tunnels", () => (leaving.keeps ? tunnels.close() : tunnels.stop()));
  const [hostSysctl, netlink, firewall, proxy] = await Promise.all(openings);
  return { hostSysctl, netlink, firewall, proxy, tunnels };
}

/** Where containers went on without the daemon, so did the ways by which services are reached. */
function withIngress(live: ReadonlyMap<string, number>): LiveContainers {
  return {
    has: (id) => live.has(id) || (live.size > 0 && isIngressId(id)),
    get: (id) => live.get(id),
  };
}

/** Opens something and puts closing it onto the stack. */
async function owned<T>(
  undo: Undo,
  label: string,
  { opening, close }: { readonly opening: Promise<T>; readonly close: (it: T) => unknown },
): Promise<T> {
  const it = await opening;
  undo.defer(label, () => close(it));
  return it;
}

function openProxy(
  { execRoot }: Config,
  { log, portsMoved }: { readonly log: Log; readonly portsMoved: NonNullable<ProxyOptions["portsMoved"]> },
): Promise<ProxyHandle> {
  return startProxy({
    command: [findProgram("tsdocker-proxy")],
    controlPath: join(execRoot, "proxy.sock"),
    logPath: join(execRoot, "proxy.log"),
    portsMoved,
    log: log.child({ part: "proxy" }),
  });
}

async function openFirewall(
  { firewall }: NetworkConfig,
  { log, onRepaired }: { readonly log: Log; readonly onRepaired: () => void },
): Promise<OwnedFirewall> {
  const { ipv6, acceptMark } = firewall;
  const options = { ipv6, acceptMark, log: log.child({ part: "firewall" }), onRepaired };
  if (firewall.backend) return await createFirewall({ backend: firewall.backend, ...options });
  return await createFirewall({ backend: "nftables", ...options }).catch((error) => {
    log.warn({ reason: String(error) }, "this kernel has no nftables, using iptables");
    return createFirewall({ backend: "iptables", ...options });
  });
}

async function readSettings(
  network: NetworkConfig,
  { hostRoutes, sysctl }: { readonly hostRoutes: WatchedHostRoutes; readonly sysctl: Host["sysctl"] },
): Promise<HostSettings> {
  const ipv6 = await sysctl.read("net.ipv6.conf.all.disable_ipv6");
  return {
    userlandProxy: network.userlandProxy,
    ipv6: ipv6 !== undefined,
    get uplinkMtu() {
      return hostRoutes.uplinkMtu;
    },
    ipForward: network.ipForward,
    ipForwardNoDrop: network.ipForwardNoDrop,
    allowDirectRouting: network.allowDirectRouting,
  };
}

/** What stays when the daemon is installed anew with an empty data root; a machine without it has the daemon's own id. */
async function readMachineId(fallback: string): Promise<string> {
  const text = await readFile("/etc/machine-id", "utf8").catch(() => "");
  const id = text.trim();
  // machine-id(5): 32 digits, or "uninitialized" while the first boot has not ended
  return /^[0-9a-f]{32}$/.test(id) ? hostIdFrom(id) : fallback;
}

/** How the host's files are read; `ownResolvConf` names one that stands for all that is said there of the DNS. */
async function hostFilesReader(ownResolvConf: string | undefined) {
  if (ownResolvConf !== undefined)
    await access(ownResolvConf, constants.R_OK).catch((error) => {
      throw invalid(`resolv-conf: ${errorMessage(error)}`);
    });
  const read = async (path: string) => await readFile(path, "utf8").catch(() => "");
  return async () => {
    const [hosts, resolvConf, resolvedConf] = await Promise.all([
      read("/etc/hosts"),
      read(ownResolvConf ?? "/etc/resolv.conf"),
      ownResolvConf === undefined ? read("/run/systemd/resolve/resolv.conf") : "",
    ]);
    return { hosts, resolvConf, resolvedConf };
  };
}

function defaultBridge(network: NetworkConfig): { defaultBridge?: DefaultBridgeConfig } {
  if (network.bridge === "none") return {};
  const { bip, bip6, fixedCidr, fixedCidrIpv6, defaultGateway, defaultGatewayIpv6, mtu } = network;
  return {
    defaultBridge: {
      link: network.bridge ?? "docker0",
      mustExist: network.bridge !== undefined,
      ...(bip && { bip }),
      ...(bip6 && { bip6 }),
      ...(fixedCidr && { fixedCidr }),
      ...(fixedCidrIpv6 && { fixedCidrIpv6 }),
      ...(defaultGateway && { defaultGateway }),
      ...(defaultGatewayIpv6 && { defaultGatewayIpv6 }),
      ipv6: network.ipv6,
      ...(mtu !== undefined && { mtu }),
      icc: network.icc,
      masquerade: network.ipMasq,
      hostBinding: network.hostBinding,
    },
  };
}
