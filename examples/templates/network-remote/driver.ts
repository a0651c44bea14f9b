// The driver __name__, as a plugin: a bridge for each network, a veth pair for each endpoint, made with iproute2. Change it
// into yours. A daemon that starts again does not repeat networks to a plugin: it remembers them itself.

import type { EndpointInterface, JoinResponse, NetworkDriver } from "tsdocker/driverapi";
import { derivedMac, formatAddress, notFound } from "tsdocker/driverkit";

/** Runs `ip` with these words. Rejects when it fails. */
export type Ip = (...words: readonly string[]) => Promise<void>;

/** Ids of networks, kept somewhere. */
export interface Memory {
  read(): readonly string[];
  write(networkIds: readonly string[]): Promise<void>;
}

// links are named by ids: 15 characters are all that a link's name may have
const bridgeOf = (networkId: string) => `xb${networkId.slice(0, 12)}`;
const portOf = (endpointId: string) => `xp${endpointId.slice(0, 12)}`;
const innerOf = (endpointId: string) => `xi${endpointId.slice(0, 12)}`;

/** An address keeps its MAC when another container has it, and neighbours who remember that are right. */
function withMac(networkId: string, asked: EndpointInterface): EndpointInterface {
  const own = asked.address ?? asked.addressIpv6;
  if (asked.macAddress || !own) return asked;
  return { ...asked, macAddress: derivedMac(`${networkId} ${formatAddress(own.address)}`) };
}

/** Builds the driver; networks that are remembered are there again. */
export function createDriver(ip: Ip, memory: Memory): NetworkDriver {
  const networks = new Map<string, Map<string, EndpointInterface>>(
    memory.read().map((networkId) => [networkId, new Map()]),
  );

  /** Which sandbox an endpoint joined. */
  const joined = new Map<string, string>();

  const isThere = (name: string) =>
    ip("link", "show", "dev", name).then(
      () => true,
      () => false,
    );

  const remove = async (name: string) => {
    if (await isThere(name)) await ip("link", "delete", name);
  };

  /** Changes one after the other: between looking whether a link is there and making it nobody else makes it. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };

  const endpointsOf = (networkId: string) => {
    const endpoints = networks.get(networkId);
    if (!endpoints) throw notFound(`network ${networkId} does not exist`);
    return endpoints;
  };

  const makeBridge = async (networkId: string) => {
    const name = bridgeOf(networkId);
    if (!(await isThere(name))) await ip("link", "add", name, "type", "bridge");
    await ip("link", "set", name, "up");
    return name;
  };

  const driver: NetworkDriver = {
    name: "__name__",
    capabilities: { scope: "local", connectivityScope: "local", replay: false },

    // the bridge has no address: nobody needs to keep one for a gateway
    checkGateway: async () => ({ skipIpv4: true, skipIpv6: true }),

    async createNetwork({ networkId }) {
      await makeBridge(networkId);
      if (!networks.has(networkId)) networks.set(networkId, new Map());
      await memory.write([...networks.keys()]);
    },

    async deleteNetwork({ networkId }) {
      for (const endpointId of networks.get(networkId)?.keys() ?? []) await remove(portOf(endpointId));
      await remove(bridgeOf(networkId));
      if (networks.delete(networkId)) await memory.write([...networks.keys()]);
    },

    async createEndpoint({ networkId, endpointId, interface: asked }) {
      const own = withMac(networkId, asked);
      endpointsOf(networkId).set(endpointId, own);
      return own;
    },

    async deleteEndpoint({ networkId, endpointId }) {
      await remove(portOf(endpointId));
      joined.delete(endpointId);
      networks.get(networkId)?.delete(endpointId);
    },

    async join({ networkId, endpointId, sandboxKey }): Promise<JoinResponse> {
      if (!endpointsOf(networkId).has(endpointId)) throw notFound(`endpoint ${endpointId} does not exist`);
      const [port, inner] = [portOf(endpointId), innerOf(endpointId)];
      // what another sandbox had went with it, or is about to
      if (joined.get(endpointId) !== sandboxKey) await remove(port);
      if (!(await isThere(port))) {
        // the machine may have been started again since the network was made
        const bridge = await makeBridge(networkId);
        await ip("link", "add", port, "type", "veth", "peer", "name", inner);
        try {
          await ip("link", "set", port, "master", bridge, "up");
        } catch (error) {
          await remove(port);
          throw error;
        }
      }
      joined.set(endpointId, sandboxKey);
      return { link: { srcName: inner, dstPrefix: "eth" }, staticRoutes: [], disableGatewayService: false };
    },

    // the daemon took the link out of the sandbox; it goes with the endpoint
    leave: async () => undefined,
  };
  return {
    ...driver,
    createNetwork: (request) => inTurn(() => driver.createNetwork(request)),
    deleteNetwork: (request) => inTurn(() => driver.deleteNetwork(request)),
    deleteEndpoint: (request) => inTurn(() => driver.deleteEndpoint(request)),
    join: (request) => inTurn(() => driver.join(request)),
  };
}
