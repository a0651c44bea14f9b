// The addresses of a network's gateways, on its bridge.

import type { DriverNetns, Host } from "../../src/driverapi/index.ts";
import { type Prefix, samePrefix, subnetOf } from "../../src/netip/index.ts";
import type { OverlayConfig } from "./options.ts";

/** The gateways' addresses, which are on every host that carries the network, and the routes that come with them. */
export async function makeGateways(
  host: Host,
  { netlink }: DriverNetns,
  { config, bridge: index }: { readonly config: OverlayConfig; readonly bridge: number },
): Promise<boolean> {
  const gateways = gatewaysOf(config);
  if (gateways.length === 0) return false;
  const [addresses, routes] = await Promise.all([
    netlink.addresses({ link: index }),
    netlink.routes({ link: index }),
  ]);
  const hasAddress = (own: Prefix) => addresses.some(({ prefix }) => samePrefix(prefix, own));
  const hasRoute = (own: Prefix) => routes.some(({ destination }) => samePrefix(destination, subnetOf(own)));
  const unaddressed = gateways.filter((own) => !hasAddress(own));
  const unrouted = gateways.filter((own) => hasAddress(own) && !hasRoute(own));
  const requests = [
    ...unaddressed.map((prefix) => addGateway(host, index, prefix)),
    ...unrouted.map(({ address, length }) =>
      host.link.addRoute(
        { family: address.family, destination: subnetOf({ address, length }), link: index },
        { replace: true },
      ),
    ),
  ];
  if (requests.length > 0) await netlink.send(...requests);
  return requests.length > 0;
}

export function gatewaysOf({ ipv4, ipv6 }: OverlayConfig): Prefix[] {
  return [...ipv4, ...ipv6].flatMap(({ gateway }) => gateway ?? []);
}

export function addGateway({ link: { addAddress } }: Host, link: number, prefix: Prefix) {
  const own = prefix.address.family === 4 ? ({ broadcast: "auto" } as const) : { noDad: true };
  return addAddress({ link, prefix, ...own }, { replace: true });
}
