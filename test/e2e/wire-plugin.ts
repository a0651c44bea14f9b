// A network plugin as somebody else would write one: a bridge per network, a veth pair per endpoint, left in the host's
// namespace for the daemon to take. What it is asked is noted.

import type { NetworkDriver } from "../../src/driverapi/index.ts";
import {
  addAddress,
  createBridge,
  createVeth,
  deleteLink,
  type Link,
  type Netlink,
  unless,
} from "../../src/kernel/index.ts";

/** What a test says of a call before it is answered; what it throws is the answer. */
export type Before = (method: string, about: About) => Promise<void>;

export interface About {
  readonly networkId: string;
  readonly endpointId?: string;
}

export interface WirePlugin {
  readonly driver: NetworkDriver;
  readonly calls: string[];
  /** Replaced by tests. */
  before: Before;
}

/** A driver whose links are in the namespace of this netlink. */
export function wirePlugin(netlink: Netlink): WirePlugin {
  const plugin: WirePlugin = {
    driver: wireDriver(netlink, (method, about) => note(method, about)),
    calls: [],
    before: async () => undefined,
  };
  const note: Before = async (method, about) => {
    plugin.calls.push(method);
    await plugin.before(method, about);
  };
  return plugin;
}

function wireDriver(netlink: Netlink, note: Before): NetworkDriver {
  // it keeps nothing in mind: one that is started anew finds all of it in the kernel
  const gatewayOf = async ({ index }: Link) =>
    (await netlink.addresses()).find(({ link, prefix }) => link === index && prefix.address.family === 4);
  return {
    name: "wire",
    capabilities: { scope: "local", connectivityScope: "local", replay: false },
    async createNetwork({ networkId, ipv4Data }) {
      await note("createNetwork", { networkId });
      const gateway = ipv4Data[0]?.gateway;
      await netlink.send(createBridge({ name: bridgeOf(networkId), up: true }));
      if (!gateway) return;
      const bridge = await netlink.link(bridgeOf(networkId));
      if (bridge) await netlink.send(addAddress({ link: bridge.index, prefix: gateway }));
    },
    async deleteNetwork({ networkId }) {
      await note("deleteNetwork", { networkId });
      await unless(["ENODEV"], netlink.send(deleteLink(bridgeOf(networkId))));
    },
    async createEndpoint({ networkId, endpointId, interface: asked }) {
      await note("createEndpoint", { networkId, endpointId });
      return asked;
    },
    async deleteEndpoint({ networkId, endpointId }) {
      await note("deleteEndpoint", { networkId, endpointId });
      await unless(["ENODEV"], netlink.send(deleteLink(portOf(endpointId))));
    },
    async join({ networkId, endpointId }) {
      await note("join", { networkId, endpointId });
      const bridge = await netlink.link(bridgeOf(networkId));
      const ends = { name: portOf(endpointId), up: true, peer: { name: insideOf(endpointId) } };
      await netlink.send(createVeth({ ...ends, ...(bridge && { master: bridge.index }) }));
      const gateway = bridge && (await gatewayOf(bridge));
      return {
        link: { srcName: insideOf(endpointId), dstPrefix: "eth" },
        ...(gateway && { gateway: gateway.prefix.address }),
        staticRoutes: [],
        disableGatewayService: false,
      };
    },
    leave: (request) => note("leave", request),
  };
}

export function bridgeOf(networkId: string): string {
  return `wb${networkId.slice(0, 10)}`;
}

function portOf(endpointId: string): string {
  return `wp${endpointId.slice(0, 10)}`;
}

function insideOf(endpointId: string): string {
  return `wi${endpointId.slice(0, 10)}`;
}
