// The driver smallest: a bridge for each network, a veth pair for each endpoint. Containers on a network reach each
// other; their way out is another one, which the daemon adds (docker_gwbridge).

import type { EndpointInterface, JoinResponse, NetworkDriverFactory, Request } from "tsdocker/driverapi";
import { derivedMac, formatAddress, notFound } from "tsdocker/driverkit";

/** The version of the contract that this is written for: a daemon with another one refuses to load it. */
export const contract = 1;

// links are told from others' by their alias, and named by ids: 15 characters are all that a link's name may have
const mark = "smallest:";
const bridgeOf = (networkId: string) => `xb${networkId.slice(0, 12)}`;
const portOf = (endpointId: string) => `xp${endpointId.slice(0, 12)}`;
const innerOf = (endpointId: string) => `xi${endpointId.slice(0, 12)}`;

/** An address keeps its MAC when another container has it, and neighbours who remember that are right. */
const withMac = (networkId: string, asked: EndpointInterface): EndpointInterface => {
  const own = asked.address ?? asked.addressIpv6;
  if (asked.macAddress || !own) return asked;
  return { ...asked, macAddress: derivedMac(`${networkId} ${formatAddress(own.address)}`) };
};

const createDriver: NetworkDriverFactory = ({ netlink, link: ip }) => {
  /** Endpoints by network. After a start of the daemon all of it is said again (`replay`): nothing needs a file. */
  const networks = new Map<string, Map<string, EndpointInterface>>();

  const endpointsOf = (networkId: string) => {
    const endpoints = networks.get(networkId);
    if (!endpoints) throw notFound(`network ${networkId} does not exist`);
    return endpoints;
  };

  const remove = (name: string) => ip.unless(["ENODEV"], netlink.send(ip.deleteLink(name)));

  /** Makes a link. One that is there is success; one that could not be made whole is gone again. */
  const make = async (name: string, request: Request) => {
    try {
      await netlink.send(request);
    } catch (error) {
      if (ip.hasCode(error, "EEXIST")) return;
      await remove(name);
      throw error;
    }
  };

  return {
    name: "smallest",
    capabilities: { scope: "local", connectivityScope: "local", replay: true },

    // the bridge has no address: nobody needs to keep one for a gateway
    checkGateway: async () => ({ skipIpv4: true, skipIpv6: true }),

    async createNetwork({ networkId }) {
      const name = bridgeOf(networkId);
      await make(name, ip.createBridge({ name, alias: mark + networkId, up: true }));
      if (!networks.has(networkId)) networks.set(networkId, new Map());
    },

    async deleteNetwork({ networkId }) {
      for (const endpointId of networks.get(networkId)?.keys() ?? []) await remove(portOf(endpointId));
      await remove(bridgeOf(networkId));
      networks.delete(networkId);
    },

    async createEndpoint({ networkId, endpointId, interface: asked }) {
      const own = withMac(networkId, asked);
      endpointsOf(networkId).set(endpointId, own);
      return own;
    },

    async deleteEndpoint({ networkId, endpointId }) {
      await remove(portOf(endpointId));
      networks.get(networkId)?.delete(endpointId);
    },

    async join({ networkId, endpointId }): Promise<JoinResponse> {
      if (!endpointsOf(networkId).has(endpointId)) throw notFound(`endpoint ${endpointId} does not exist`);
      const [name, inner] = [portOf(endpointId), innerOf(endpointId)];
      const bridge = await netlink.link(bridgeOf(networkId));
      if (!bridge) throw notFound(`bridge ${bridgeOf(networkId)} is gone`);
      const alias = mark + endpointId;
      await make(name, ip.createVeth({ name, alias, master: bridge.index, up: true, peer: { name: inner } }));
      return { link: { srcName: inner, dstPrefix: "eth" }, staticRoutes: [], disableGatewayService: false };
    },

    // the daemon took the link out of the sandbox; it goes with the endpoint
    leave: async () => undefined,

    /** A crash may have left links of networks and endpoints that nobody knows. */
    async sweep({ networkIds, endpointIds }) {
      for (const { name, alias } of await netlink.links()) {
        const id = alias?.startsWith(mark) ? alias.slice(mark.length) : undefined;
        if (id !== undefined && !networkIds.has(id) && !endpointIds.has(id)) await remove(name);
      }
    },
  };
};

export default createDriver;
