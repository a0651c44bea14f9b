// The data plane: who reaches whom by echo requests, in real namespaces.

import type { Address } from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import { ipv4, ipv6, links, manyNetworks, mayBeInternal, type NetworkFacts } from "../network-needs.ts";
import { addressesIn, type Member, type NetworkWish, type Scene } from "../scene.ts";
import { show } from "../show.ts";

/** Long enough for an answer that will come, short enough to wait for one that must not. */
const notWithinMs = 250;

export async function mustReach(from: Member, to: Member, only?: 4 | 6, size?: number): Promise<void> {
  for (const address of addressesIn(to).filter(({ family }) => only === undefined || family === only)) {
    const isReached = await from.sandbox.reaches(address, size === undefined ? {} : { size });
    must(isReached, `an answer from ${show(address)} to an endpoint of its network`, "none");
  }
}

async function mustNotReach(from: Member, addresses: readonly Address[]): Promise<void> {
  const reached = await Promise.all(
    addresses.map(
      async (address) => (await from.sandbox.reaches(address, { withinMs: notWithinMs })) && address,
    ),
  );
  const found = reached.filter((address) => address !== false);
  must(found.length === 0, "no answer from an endpoint that left", () => `one from ${show(found)}`);
}

async function pair(scene: Scene, wish?: NetworkWish) {
  const network = await scene.madeNetwork(wish);
  return { network, first: await scene.connected(network), second: await scene.connected(network) };
}

const where = "NetworkDriver.join";

export const reachChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "reach/ipv4",
    rule: "Endpoints of a network reach each other over IPv4.",
    where,
    needs: [links, ipv4],
    async run(scene) {
      const { first, second } = await pair(scene);
      await mustReach(first, second, 4);
      await mustReach(second, first, 4);
    },
  },
  {
    id: "reach/ipv6",
    rule: "Endpoints of a network reach each other over IPv6.",
    where,
    needs: [links, ipv6],
    async run(scene) {
      const { first, second } = await pair(scene);
      await mustReach(first, second, 6);
      await mustReach(second, first, 6);
    },
  },
  {
    id: "reach/large",
    rule: "Packets of 1280 bytes, which every IPv6 link carries, pass.",
    where,
    needs: [links],
    async run(scene) {
      const { first, second } = await pair(scene);
      await mustReach(first, second, undefined, 1280);
    },
  },
  {
    id: "reach/internal",
    rule: "Endpoints of an internal network reach each other.",
    where: "NetworkOptions.internal",
    needs: [links, mayBeInternal],
    async run(scene) {
      const { first, second } = await pair(scene, { internal: true });
      await mustReach(first, second);
    },
  },
  {
    id: "reach/left",
    rule: "An endpoint that left is not reached any more.",
    where: "NetworkDriver.leave",
    needs: [links],
    async run(scene) {
      const { first, second } = await pair(scene);
      await mustReach(first, second);
      await scene.disconnected(second);
      await mustNotReach(first, addressesIn(second));
    },
  },
  {
    id: "reach/others-stay",
    rule: "When an endpoint leaves, the others reach each other as before.",
    where: "NetworkDriver.leave",
    needs: [links],
    async run(scene) {
      const { network, first, second } = await pair(scene);
      const third = await scene.connected(network);
      await scene.disconnected(third);
      await mustReach(first, second);
    },
  },
  {
    id: "reach/newcomer",
    rule: "An endpoint that joins later reaches those that are there.",
    where,
    needs: [links],
    async run(scene) {
      const { network, first, second } = await pair(scene);
      await scene.disconnected(second);
      await mustReach(await scene.connected(network), first);
    },
  },
  {
    id: "reach/address-moved",
    rule: "An address that moves to another sandbox is reached there.",
    where,
    needs: [links],
    async run(scene) {
      const { network, first, second } = await pair(scene);
      await mustReach(first, second);
      await scene.disconnected(second);
      const request = scene.endpoint(network, second.request.interface);
      await mustReach(first, await scene.connected(network, { request }));
    },
  },
  {
    id: "reach/many",
    rule: "Each of several endpoints reaches the next.",
    where,
    needs: [links],
    async run(scene) {
      const network = await scene.madeNetwork();
      const members: Member[] = [];
      for (let count = 0; count < 5; count++) members.push(await scene.connected(network));
      await Promise.all(members.slice(1).map((member, at) => mustReach(members[at] ?? member, member)));
    },
  },
  {
    id: "reach/deleted-neighbour-network",
    rule: "Deleting another network does not cut endpoints off.",
    where: "NetworkDriver.deleteNetwork",
    needs: [links, manyNetworks],
    async run(scene) {
      const { first, second } = await pair(scene);
      const { networkId } = await scene.madeNetwork();
      await scene.driver.deleteNetwork({ networkId });
      await scene.driver.settle?.();
      await mustReach(first, second);
    },
  },
];
