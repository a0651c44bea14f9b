// An overlay network as people see it: the options that took effect, and the kernel objects behind it on this host.

import type { EndpointDescription, LinkDescription, NetworkDescription } from "../../src/driverapi/index.ts";
import type { CarriedNetwork } from "./carried.ts";
import type { FastPath } from "./fast-path.ts";
import { bridgeName, guardOwner, portName, tunnelName } from "./mark.ts";
import { type OverlayConfig, optionNames } from "./options.ts";

/** Under the names that users give; `mtu` is what containers have. */
export function effectiveOptions(
  config: OverlayConfig,
  { vnis, mtu }: { readonly vnis: readonly number[]; readonly mtu: number | undefined },
): Readonly<Record<string, string>> {
  return {
    [optionNames.vnis]: vnis.join(","),
    ...(mtu !== undefined && { [optionNames.mtu]: String(mtu) }),
    [optionNames.interfacePrefix]: config.interfacePrefix,
    [optionNames.antispoof]: config.isGuarded ? "strict" : "off",
    [optionNames.multicast]: String(config.multicast),
    [optionNames.fastPath]: config.fastPath ? "on" : "off",
  };
}

/** Reads the links of the network's netns anew; none while this host does not carry it. */
export async function describeOverlay(
  carried: Pick<CarriedNetwork, "netns" | "fastPath"> | undefined,
  { vnis, endpointIds }: { readonly vnis: readonly number[]; readonly endpointIds: Iterable<string> },
): Promise<NetworkDescription> {
  const netns = carried?.netns;
  const links = (await netns?.netlink.links()) ?? [];
  const addresses = (await netns?.netlink.addresses()) ?? [];
  const describe = (role: string, name: string): LinkDescription => {
    const link = links.find((it) => it.name === name);
    if (!link) return { role, name };
    const { index, mac, mtu, up } = link;
    const own = addresses.filter((it) => it.link === index).map(({ prefix }) => prefix);
    return { role, name, index, ...(mac && { mac }), mtu, up, addresses: own };
  };
  const endpointOf = (id: string): EndpointDescription => ({
    port: describe("port", portName(id)),
    rules: netns?.guards.describe(guardOwner(id)) ?? [],
  });
  return {
    links: netns
      ? [describe("bridge", bridgeName), ...vnis.map((vni) => describe("tunnel", tunnelName(vni)))]
      : [],
    rules: carried ? [shortCutText(carried.fastPath)] : [],
    endpoints: new Map([...endpointIds].map((id) => [id, endpointOf(id)])),
  };
}

function shortCutText({ lack, staleCount }: Pick<FastPath, "lack" | "staleCount">): string {
  if (staleCount > 0)
    return `short cut: an earlier daemon's, which cannot be taken off ${staleCount} of the links yet`;
  if (lack !== undefined) return `short cut: none (${lack}), all packets take the bridge`;
  return "short cut: eBPF, for packets of known containers that the guards let pass";
}
