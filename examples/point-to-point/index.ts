// Networks without a wire: each container has a link of its own to the host, a /32 (or /128) address, and the host as its
// only neighbour. The host routes. Nothing is broadcast, and no container sees another one's frames.

import type {
  DriverTraits,
  EndpointInterface,
  JoinResponse,
  NetworkDriverFactory,
  Request,
} from "tsdocker/driverapi";
import {
  formatAddress,
  hostPrefix,
  invalid,
  notFound,
  type Prefix,
  parseAddress,
  parsePrefix,
} from "tsdocker/driverkit";

export const contract = 1;
export { createIpam } from "./ipam.ts";

/** What `tsdocker driver verify` cannot see from outside: there is no subnet here, and nobody but a user chooses addresses. */
export const traits: DriverTraits = { singleAddresses: true, namedPools: true };

const mark = "point-to-point:";
const hostEnd = (endpointId: string) => `pp${endpointId.slice(0, 12)}`;
const containerEnd = (endpointId: string) => `pi${endpointId.slice(0, 12)}`;

/** The host's address on every link: the same everywhere, since each link is a world of its own. */
const router = { 4: known(parseAddress("169.254.1.1")), 6: known(parseAddress("fe80::1")) };
const routerLinkLocal = known(parsePrefix("fe80::1/64"));

const createDriver: NetworkDriverFactory = ({ netlink, link: ip, sysctl, settings }) => {
  const networks = new Map<string, Map<string, EndpointInterface>>();

  const endpointsOf = (networkId: string) => {
    const endpoints = networks.get(networkId);
    if (!endpoints) throw notFound(`network ${networkId} does not exist`);
    return endpoints;
  };

  const remove = (name: string) => ip.unless(["ENODEV"], netlink.send(ip.deleteLink(name)));

  /** What the host's end has: its own addresses, and the way to the container's. */
  const requestsFor = (link: number, { address, addressIpv6 }: EndpointInterface): Request[] => {
    const routeTo = (prefix: Prefix) =>
      ip.addRoute({ family: prefix.address.family, destination: hostPrefix(prefix.address), link });
    return [
      ...(address
        ? [
            ip.addAddress({ link, prefix: hostPrefix(router[4]), scope: "link" }, { replace: true }),
            routeTo(address),
          ]
        : []),
      ...(addressIpv6
        ? [
            ip.addAddress({ link, prefix: routerLinkLocal, noDad: true }, { replace: true }),
            routeTo(addressIpv6),
          ]
        : []),
    ];
  };

  const makeLink = async (endpointId: string, own: EndpointInterface): Promise<void> => {
    const name = hostEnd(endpointId);
    if (await netlink.link(name)) return;
    try {
      await netlink.send(
        ip.createVeth({
          name,
          alias: mark + endpointId,
          up: true,
          peer: { name: containerEnd(endpointId) },
        }),
      );
      const link = await netlink.link(name);
      if (!link) throw notFound(`link ${name} is gone`);
      // with another IPAM driver's addresses the container looks for its neighbours on the link: the host answers for them
      await sysctl.writeAll({
        [`net.ipv4.conf.${name}.proxy_arp`]: "1",
        [`net.ipv4.neigh.${name}.proxy_delay`]: "0",
      });
      await netlink.send(...requestsFor(link.index, own));
    } catch (error) {
      await remove(name);
      throw error;
    }
  };

  return {
    name: "point-to-point",
    capabilities: { scope: "local", connectivityScope: "local", replay: true },

    // the host's address on the links is none of the network's
    checkGateway: async () => ({ skipIpv4: true, skipIpv6: true }),

    async createNetwork({ networkId, options }) {
      if (settings.ipForward && options.enableIpv4) await sysctl.write("net.ipv4.ip_forward", "1");
      if (settings.ipForward && options.enableIpv6) await sysctl.write("net.ipv6.conf.all.forwarding", "1");
      if (!networks.has(networkId)) networks.set(networkId, new Map());
    },

    async deleteNetwork({ networkId }) {
      for (const endpointId of networks.get(networkId)?.keys() ?? []) await remove(hostEnd(endpointId));
      networks.delete(networkId);
    },

    async createEndpoint({ networkId, endpointId, interface: asked }) {
      // nobody answers for neighbours on an IPv6 link: there must be none
      if (asked.addressIpv6 && asked.addressIpv6.length !== 128)
        throw invalid("IPv6 addresses of point-to-point are /128: --ipam-driver point-to-point");
      endpointsOf(networkId).set(endpointId, asked);
      return asked;
    },

    async deleteEndpoint({ networkId, endpointId }) {
      await remove(hostEnd(endpointId));
      networks.get(networkId)?.delete(endpointId);
    },

    async join({ networkId, endpointId }): Promise<JoinResponse> {
      const own = endpointsOf(networkId).get(endpointId);
      if (!own) throw notFound(`endpoint ${endpointId} does not exist`);
      await makeLink(endpointId, own);
      return {
        link: { srcName: containerEnd(endpointId), dstPrefix: "eth" },
        // the gateway is in nobody's subnet: a route says that it is on the link
        staticRoutes: own.address ? [{ destination: hostPrefix(router[4]) }] : [],
        ...(own.address && { gateway: router[4] }),
        ...(own.addressIpv6 && { gatewayIpv6: router[6] }),
        disableGatewayService: true,
      };
    },

    leave: async () => undefined,

    async sweep({ endpointIds }) {
      for (const { name, alias } of await netlink.links()) {
        const id = alias?.startsWith(mark) ? alias.slice(mark.length) : undefined;
        if (id !== undefined && !endpointIds.has(id)) await remove(name);
      }
    },

    async effectiveOptions() {
      return { router: `${formatAddress(router[4])}, ${formatAddress(router[6])}` };
    },
  };
};

export default createDriver;

function known<T>(parsed: T | undefined): T {
  if (parsed === undefined) throw new TypeError("a constant of this driver is no address");
  return parsed;
}
