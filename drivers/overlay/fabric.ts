// A network's own netns: its bridge and, for each segment, a tunnel whose UDP socket is in the host's netns. Made, or
// brought back to what they should be: the same call for both.

import type { ClusterNode, DriverNetns, Host, Link } from "../../src/driverapi/index.ts";
import { derivedMac } from "../../src/netip/index.ts";
import { conflict, hasCode, wrapError } from "../../src/util/errors.ts";
import { addGateway, gatewaysOf, makeGateways } from "./gateways.ts";
import type { FabricLinks } from "./kernel-rows.ts";
import { bridgeIndex, bridgeName, tunnelName } from "./mark.ts";
import type { OverlayConfig } from "./options.ts";

export interface FabricSpec {
  readonly config: OverlayConfig;
  readonly vnis: readonly number[];
  readonly self: ClusterNode;
  readonly mtu: number;
}

/** Settings that every link made in the netns begins with. No link of ours speaks for itself. */
export async function netnsSysctls(
  { settings, sysctl }: Pick<Host, "settings" | "sysctl">,
  { ipv6 }: OverlayConfig,
): Promise<Record<string, string>> {
  const all = "net/ipv6/conf/default";
  const sysctls6 = {
    [`${all}/disable_ipv6`]: ipv6.length > 0 ? "0" : "1",
    [`${all}/accept_ra`]: "0",
    [`${all}/accept_dad`]: "0",
    // IN6_ADDR_GEN_MODE_NONE
    [`${all}/addr_gen_mode`]: "1",
  };
  // with br_netfilter frames on a bridge would pass the IP rules too, of which there are none here
  const calls = ["ip", "ip6", "arp"].map((kind) => `net/bridge/bridge-nf-call-${kind}tables`);
  const hasBridgeNetfilter = (await sysctl.read("net/bridge/bridge-nf-call-iptables")) !== undefined;
  return {
    ...(settings.ipv6 && sysctls6),
    ...(hasBridgeNetfilter && Object.fromEntries(calls.map((key) => [key, "0"]))),
  };
}

/** Answers the links, and whether something of them was not as it should be. */
export async function makeFabric(
  host: Host,
  netns: DriverNetns,
  spec: FabricSpec,
): Promise<{ readonly links: FabricLinks; readonly hasChanged: boolean }> {
  const found = await netns.netlink.links();
  const isBare = !found.some(({ name, kind }) => name === bridgeName || kind === "vxlan");
  const fresh = isBare && (await makeAtOnce(host, netns, spec));
  if (fresh) return { links: fresh, hasChanged: true };
  const before = isBare ? await netns.netlink.links() : found;
  const made = await makeMissing(host, netns, { spec, before });
  const links = made ? await netns.netlink.links() : before;
  const bridge = links.find(({ name }) => name === bridgeName);
  if (!bridge)
    throw conflict(`the bridge of network ${spec.config.networkName} was removed by somebody else`);
  const tunnels = new Map(
    spec.vnis.flatMap((vni) => {
      const link = links.find(({ name }) => name === tunnelName(vni));
      return link ? [[vni, link.index] as const] : [];
    }),
  );
  const isSet = await setLinks(host, netns, { spec, bridge, links, tunnels });
  const isReached = await makeGateways(host, netns, { config: spec.config, bridge: bridge.index });
  return { links: { bridge: bridge.index, tunnels }, hasChanged: made || isSet || isReached };
}

/** Deletes the tunnels at once: their VNIs must be free when the netns, which ends some time later, is made again. */
export async function deleteTunnels({ link: kernel }: Host, netns: DriverNetns): Promise<void> {
  const tunnels = (await netns.netlink.links()).filter(({ kind }) => kind === "vxlan");
  if (tunnels.length === 0) return;
  const requests = tunnels.map(({ index }) => kernel.deleteLink(index));
  await kernel.unless(["ENODEV"], netns.netlink.send(...requests));
}

/**
 * All of it where there is nothing yet, by indexes that are chosen: nothing has to be asked. Undefined when that did not
 * work out: the other way looks at what there is, and says what is in the way.
 */
async function makeAtOnce(
  host: Host,
  { netlink, path }: DriverNetns,
  spec: FabricSpec,
): Promise<FabricLinks | undefined> {
  const { config, vnis, mtu } = spec;
  const bridge = bridgeIndex(config.networkId);
  const tunnels = new Map(vnis.map((vni, at) => [vni, bridge + 1 + at]));
  const created = [...tunnels].map(([vni, index]) => ({ ...tunnelSpec(spec, { vni, path }), index }));
  try {
    await netlink.send(
      host.link.createBridge({ ...bridgeSpec(spec), index: bridge }),
      ...gatewaysOf(config).map((gateway) => addGateway(host, bridge, gateway)),
    );
    await host.netlink.send(...created.map((tunnel) => host.link.createVxlan(tunnel)));
    await netlink.send(
      ...[...tunnels.values()].flatMap((index) => tunnelRequests(host, { index, bridge, mtu })),
    );
    return { bridge, tunnels };
  } catch {
    return undefined;
  }
}

interface Found {
  readonly spec: FabricSpec;
  readonly before: readonly Link[];
}

/** True when there was something to make or to delete. */
async function makeMissing(host: Host, netns: DriverNetns, { spec, before }: Found): Promise<boolean> {
  const { createBridge, deleteLink } = host.link;
  const { vnis } = spec;
  const names = new Set(vnis.map(tunnelName));
  const wrong = before.filter(
    (link) => link.kind === "vxlan" && !(names.has(link.name) && isRight(link, spec)),
  );
  for (const { index } of wrong) await netns.netlink.send(deleteLink(index));
  const there = new Set(before.filter((link) => !wrong.includes(link)).map(({ name }) => name));
  const needsBridge = !there.has(bridgeName);
  if (needsBridge) await netns.netlink.send(createBridge(bridgeSpec(spec)));
  const missing = vnis.filter((vni) => !there.has(tunnelName(vni)));
  for (const vni of missing) await makeTunnel(host, netns, { spec, vni });
  return wrong.length > 0 || needsBridge || missing.length > 0;
}

function isRight({ name, vxlan }: Link, { self }: FabricSpec): boolean {
  return (
    vxlan !== undefined &&
    name === tunnelName(vxlan.vni) &&
    vxlan.local?.value === self.address.value &&
    vxlan.local.family === self.address.family &&
    vxlan.port === self.dataPort &&
    !vxlan.learning &&
    vxlan.proxy
  );
}

function bridgeSpec({ config, mtu }: FabricSpec) {
  // its MAC is the same on every host, as its addresses are: a container that moves goes on with what it knows
  const mac = derivedMac(`${config.networkId} gateway`);
  return { name: bridgeName, mac, mtu, multicastSnooping: false, up: true };
}

function tunnelSpec(
  { self, mtu }: FabricSpec,
  { vni, path }: { readonly vni: number; readonly path: string },
) {
  const { address: local, dataPort: port } = self;
  return { name: tunnelName(vni), vni, local, port, proxy: true, mtu, netns: path };
}

/** A tunnel that went with a netns may hold its VNI for some milliseconds more. */
const patienceMs = 2_000;
const pauseMs = 10;

async function makeTunnel(
  host: Host,
  netns: DriverNetns,
  { spec, vni }: { readonly spec: FabricSpec; readonly vni: number },
): Promise<void> {
  const { dataPort: port } = spec.self;
  const request = host.link.createVxlan(tunnelSpec(spec, { vni, path: netns.path }));
  for (let waitedMs = 0; ; waitedMs += pauseMs) {
    try {
      return await host.netlink.send(request);
    } catch (error) {
      if (hasCode(error, "EADDRINUSE"))
        throw conflict(
          `open tunnels of network ${spec.config.networkName}: UDP port ${port} is in use on this host`,
          error,
        );
      if (!hasCode(error, "EEXIST"))
        throw wrapError(error, `open tunnel ${vni} of network ${spec.config.networkName}`);
      if (waitedMs >= patienceMs)
        throw conflict(
          `open tunnel of network ${spec.config.networkName}: another VXLAN link of this host has VNI ${vni} on port ${port}`,
          error,
        );
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

interface Wired {
  readonly spec: FabricSpec;
  readonly bridge: Link;
  readonly links: readonly Link[];
  readonly tunnels: FabricLinks["tunnels"];
}

/** Puts tunnels on the bridge, and all of it up, with its MTU. */
async function setLinks(
  host: Host,
  { netlink }: DriverNetns,
  { spec: { mtu }, bridge, links, tunnels }: Wired,
): Promise<boolean> {
  const { setLink } = host.link;
  const requests = [];
  if (!bridge.up || bridge.mtu !== mtu) requests.push(setLink(bridge.index, { up: true, mtu }));
  for (const index of tunnels.values()) {
    const link = links.find((own) => own.index === index);
    if (!link || (link.up && link.mtu === mtu && link.master === bridge.index)) continue;
    requests.push(...tunnelRequests(host, { index, bridge: bridge.index, mtu }));
  }
  if (requests.length > 0) await netlink.send(...requests);
  return requests.length > 0;
}

function tunnelRequests(
  { link: { setLink } }: Host,
  { index, bridge, mtu }: { readonly index: number; readonly bridge: number; readonly mtu: number },
) {
  return [
    setLink(index, { master: bridge, mtu }),
    // nothing but rows leads into a tunnel, and nothing from one tunnel into another: hosts reach each other directly
    setLink(index, { learning: false, flood: false, isolated: true }),
    setLink(index, { up: true }),
  ];
}
