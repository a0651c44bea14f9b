// A bridge network as people see it: the options that took effect, and the kernel objects behind it.

import type {
  EndpointDescription,
  Host,
  LinkDescription,
  NetworkDescription,
} from "../../src/driverapi/index.ts";
import { formatAddress } from "../../src/netip/index.ts";
import { type BridgeConfig, optionNames } from "./options.ts";

/** Under the names that users give; the MTU is the bridge's, as the kernel has it. */
export async function effectiveOptions(
  host: Pick<Host, "netlink">,
  config: BridgeConfig,
): Promise<Readonly<Record<string, string>>> {
  const mtu = (await host.netlink.link(config.link))?.mtu ?? config.mtu;
  const families = { 4: config.ipv4.length > 0, 6: config.ipv6.length > 0 };
  const text = (condition: boolean, value: string | undefined) => (condition ? value : undefined);
  const source = [config.sourceIpv4, config.sourceIpv6].map((address) => address && formatAddress(address));
  const values = {
    [optionNames.link]: config.link,
    [optionNames.mtu]: mtu === undefined ? undefined : String(mtu),
    [optionNames.icc]: String(config.icc),
    [optionNames.masquerade]: String(config.masquerade),
    [optionNames.modeIpv4]: text(families[4], config.modeIpv4),
    [optionNames.modeIpv6]: text(families[6], config.modeIpv6),
    [optionNames.hostBinding]: config.hostBinding && formatAddress(config.hostBinding),
    [optionNames.inhibitIpv4]: text(config.inhibitIpv4, "true"),
    [optionNames.trustedLinks]: text(config.trustedLinks.length > 0, config.trustedLinks.join(":")),
    [optionNames.sourceIpv4]: source[0],
    [optionNames.sourceIpv6]: source[1],
    [optionNames.interfacePrefix]: config.interfacePrefix,
    [optionNames.antispoof]: config.antispoof,
    [optionNames.hostAccess]: config.hostAccess,
  };
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, it]) => (it === undefined ? [] : [[key, it]])),
  );
}

/** An endpoint with the name of its port and the owners of its rules. */
export interface DescribedEndpoint {
  readonly id: string;
  readonly port: string;
  readonly owners: readonly string[];
}

/** Reads links and addresses anew: what somebody changed by hand shows. */
export async function describeBridge(
  host: Pick<Host, "netlink" | "firewall">,
  config: BridgeConfig,
  endpoints: readonly DescribedEndpoint[],
): Promise<NetworkDescription> {
  const { netlink, firewall } = host;
  const [links, addresses] = await Promise.all([netlink.links(), netlink.addresses()]);
  const describe = (role: string, name: string): LinkDescription => {
    const link = links.find((it) => it.name === name);
    if (!link) return { role, name };
    const { index, mac, mtu, up } = link;
    const own = addresses.filter((it) => it.link === index).map(({ prefix }) => prefix);
    return { role, name, index, ...(mac && { mac }), mtu, up, addresses: own };
  };
  const endpointOf = ({ port, owners }: DescribedEndpoint): EndpointDescription => ({
    port: describe("port", port),
    rules: owners.flatMap((owner) => firewall.describe(owner)),
  });
  return {
    links: [describe("bridge", config.link)],
    rules: firewall.describe(config.networkId),
    endpoints: new Map(endpoints.map((endpoint) => [endpoint.id, endpointOf(endpoint)])),
  };
}
