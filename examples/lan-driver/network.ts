// Networks that are the LAN itself: each endpoint is a macvlan link on one of the host's, with a MAC of its own, and so a
// machine of its own on the wire. Served over a socket, so networks are on this driver's own record: a daemon does not say
// them again.

import type { Host, JoinResponse, NetworkDriver } from "tsdocker/driverapi";
import {
  type Address,
  derivedMac,
  forbidden,
  formatAddress,
  invalid,
  notFound,
  parseAddress,
} from "tsdocker/driverkit";
import type { Notes } from "./notes.ts";

/** The part of a daemon's `Host` that it needs; the same driver would work inside one. */
export type Hands = Pick<Host, "netlink" | "link">;

interface LanNetwork {
  /** The link of the host that is on the LAN. */
  readonly parent: string;
  /** Text of the LAN's gateway, if the user named one. */
  readonly gateways: readonly string[];
  readonly endpoints: Readonly<Record<string, { readonly families: readonly number[] }>>;
}

const linkOf = (endpointId: string) => `ln${endpointId.slice(0, 12)}`;

/** The LAN's gateways, of the families that the endpoint has. */
function wayOut(
  gateways: readonly string[],
  families: readonly number[],
): Pick<JoinResponse, "gateway" | "gatewayIpv6"> {
  const known = gateways.map(parseAddress).filter((address) => address && families.includes(address.family));
  const of = (family: Address["family"]) => known.find((address) => address?.family === family);
  const [gateway, gatewayIpv6] = [of(4), of(6)];
  return { ...(gateway && { gateway }), ...(gatewayIpv6 && { gatewayIpv6 }) };
}

/** Builds the driver on a machine; what it must not forget is in `notes`. */
export function createLanNetworks({ netlink, link: ip }: Hands, notes: Notes<LanNetwork>): NetworkDriver {
  const networkOf = (networkId: string) => {
    const network = notes.get(networkId);
    if (!network) throw notFound(`network ${networkId} does not exist`);
    return network;
  };
  const remove = (name: string) => ip.unless(["ENODEV"], netlink.send(ip.deleteLink(name)));

  return {
    name: "lan",
    capabilities: { scope: "local", connectivityScope: "global", replay: false },

    // the LAN's router has its address already: IPAM need not find one
    checkGateway: async () => ({ skipIpv4: true, skipIpv6: true }),

    async createNetwork({ networkId, options, ipv4Data, ipv6Data }) {
      if (notes.get(networkId)) return;
      const { parent, ...others } = options.generic;
      const [unknown] = Object.keys(others);
      if (unknown !== undefined) throw invalid(`unknown option ${unknown}: lan has parent`);
      if (!parent) throw invalid("on which link of the host is the LAN? -o parent=eth0");
      if (!(await netlink.link(parent))) throw invalid(`the host has no link ${parent}`);
      const gateways = [...ipv4Data, ...ipv6Data].flatMap(({ gateway }) =>
        gateway ? [formatAddress(gateway.address)] : [],
      );
      await notes.set(networkId, { parent, gateways, endpoints: {} });
    },

    async deleteNetwork({ networkId }) {
      for (const endpointId of Object.keys(notes.get(networkId)?.endpoints ?? {}))
        await remove(linkOf(endpointId));
      await notes.delete(networkId);
    },

    async createEndpoint({ networkId, endpointId, interface: asked }) {
      const network = networkOf(networkId);
      const address = asked.address ?? asked.addressIpv6;
      const text = address ? `${networkId} ${formatAddress(address.address)}` : endpointId;
      const families = [asked.address, asked.addressIpv6].flatMap((own) => own?.address.family ?? []);
      const endpoints = { ...network.endpoints, [endpointId]: { families } };
      await notes.set(networkId, { ...network, endpoints });
      // one address, one MAC: what others on the LAN remember of it stays true when another container has it
      return { ...asked, macAddress: asked.macAddress ?? derivedMac(text) };
    },

    async deleteEndpoint({ networkId, endpointId }) {
      await remove(linkOf(endpointId));
      const network = notes.get(networkId);
      if (!network) return;
      const { [endpointId]: _, ...endpoints } = network.endpoints;
      await notes.set(networkId, { ...network, endpoints });
    },

    async join({ networkId, endpointId }): Promise<JoinResponse> {
      const { parent, endpoints, gateways } = networkOf(networkId);
      const endpoint = endpoints[endpointId];
      if (!endpoint) throw notFound(`endpoint ${endpointId} does not exist`);
      const below = await netlink.link(parent);
      if (!below) throw forbidden(`the host has no link ${parent} any more`);
      const name = linkOf(endpointId);
      await ip.unless(
        ["EEXIST"],
        netlink.send(ip.createMacvlan({ name, parent: below.index, mode: "bridge" })),
      );
      return {
        // left here: the daemon moves it into the sandbox and gives it MAC and addresses
        link: { srcName: name, dstPrefix: "eth" },
        ...wayOut(gateways, endpoint.families),
        staticRoutes: [],
        disableGatewayService: true,
      };
    },

    leave: async () => undefined,
  };
}
