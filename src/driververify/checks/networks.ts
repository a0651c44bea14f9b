// The life of networks: order, repetition, variety.

import type { Check } from "../check.ts";
import {
  ipv4,
  ipv6,
  manyNetworks,
  mayBeInternal,
  type NetworkFacts,
  neverInternal,
  onlyNetwork,
} from "../network-needs.ts";
import { poolData, prefix } from "../pools.ts";
import { type NetworkWish, noOptions, type Scene } from "../scene.ts";
import { mustBeOfKind, refusal } from "./refusal.ts";

/** Made, used once, deleted; nothing is left. */
async function livesAndGoes(scene: Scene, wish: NetworkWish): Promise<void> {
  const network = await scene.madeNetwork(wish);
  const member = await scene.connected(network);
  await scene.disconnected(member);
  await scene.driver.deleteNetwork({ networkId: network.networkId });
  await scene.mustBeClean();
}

export const networkLifeChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "networks/delete",
    rule: "Deleting a network leaves nothing of it on the host.",
    where: "NetworkDriver.deleteNetwork",
    async run(scene) {
      const { networkId } = await scene.madeNetwork();
      await scene.driver.deleteNetwork({ networkId });
      await scene.mustBeClean();
    },
  },
  {
    id: "networks/create-twice",
    rule: "Making a network that is there succeeds.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const request = await scene.madeNetwork();
      await scene.driver.createNetwork(request);
    },
  },
  {
    id: "networks/create-twice-makes-once",
    rule: "Making a network that is there makes nothing more.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const request = await scene.madeNetwork();
      const once = await scene.stage.remains();
      await scene.driver.createNetwork(request);
      await scene.mustBeClean("what one network needs", once);
    },
  },
  {
    id: "networks/delete-twice",
    rule: "Deleting a network that is gone succeeds.",
    where: "NetworkDriver.deleteNetwork",
    async run(scene) {
      const { networkId } = await scene.madeNetwork();
      for (let round = 0; round < 2; round++) await scene.driver.deleteNetwork({ networkId });
    },
  },
  {
    id: "networks/delete-unknown",
    rule: "Deleting a network that never was succeeds and does nothing.",
    where: "NetworkDriver.deleteNetwork",
    async run(scene) {
      await scene.driver.deleteNetwork({ networkId: scene.network().networkId });
      await scene.mustBeClean();
    },
  },
  {
    id: "networks/again",
    rule: "A network can be made again as soon as it is deleted.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const request = scene.network();
      for (let round = 0; round < 3; round++) {
        await scene.driver.createNetwork(request);
        await scene.driver.deleteNetwork(request);
      }
      await scene.mustBeClean();
    },
  },
  {
    id: "networks/again-under-another-id",
    rule: "What a network had (subnets, gateways) is free for another when it is deleted.",
    where: "NetworkDriver.deleteNetwork",
    async run(scene) {
      const { networkId, ipv4Data, ipv6Data } = await scene.madeNetwork();
      await scene.driver.deleteNetwork({ networkId });
      await livesAndGoes(scene, { ipv4Data, ipv6Data });
    },
  },
  {
    id: "networks/several",
    rule: "Several networks stand side by side.",
    where: "NetworkDriver.createNetwork",
    needs: [manyNetworks],
    async run(scene) {
      for (let count = 0; count < 3; count++) await scene.connected(await scene.madeNetwork());
    },
  },
  {
    id: "networks/delete-one-of-several",
    rule: "Deleting one network leaves the others as they are.",
    where: "NetworkDriver.deleteNetwork",
    needs: [manyNetworks],
    async run(scene) {
      await scene.madeNetwork();
      const before = await scene.stage.remains();
      const { networkId } = await scene.madeNetwork();
      await scene.driver.deleteNetwork({ networkId });
      await scene.mustBeClean("the other network as it was", before);
    },
  },
  {
    id: "networks/only-one",
    rule: "A driver with predefined networks alone refuses another one.",
    where: "Capabilities.predefinedOnly",
    needs: [onlyNetwork],
    async run(scene) {
      await scene.madeNetwork();
      const error = await refusal("a second network", () => scene.driver.createNetwork(scene.network()));
      mustBeOfKind(error, ["forbidden"], "a second network");
    },
  },
  {
    id: "networks/same-name",
    rule: "Names of networks are for people: two of one name are two networks.",
    where: "CreateNetworkRequest.networkName",
    needs: [manyNetworks],
    async run(scene) {
      const first = await scene.madeNetwork({ networkName: "same" });
      const second = await scene.madeNetwork({ networkName: "same" });
      await scene.connected(second);
      await scene.driver.deleteNetwork({ networkId: first.networkId });
      await scene.connected(second);
    },
  },
  {
    id: "networks/odd-name",
    rule: "Whatever a network's name is, it can be made.",
    where: "CreateNetworkRequest.networkName",
    hint: "derive names of links from the id: a link's name has 15 characters, no / and no space",
    run: (scene) => livesAndGoes(scene, { networkName: "../a name: with / everything é" }),
  },
  {
    id: "networks/long-name",
    rule: "However long a network's name is, it can be made.",
    where: "CreateNetworkRequest.networkName",
    hint: "derive names of links from the id: a link's name has 15 characters",
    run: (scene) => livesAndGoes(scene, { networkName: "n".repeat(250) }),
  },
  {
    id: "networks/ipv4-only",
    rule: "A network with IPv4 alone has no IPv6 subnets.",
    where: "NetworkOptions.enableIpv6",
    needs: [ipv4],
    run(scene) {
      return livesAndGoes(scene, { enableIpv6: false });
    },
  },
  {
    id: "networks/ipv6-only",
    rule: "A network with IPv6 alone has no IPv4 subnets.",
    where: "NetworkOptions.enableIpv4",
    needs: [ipv6],
    run(scene) {
      return livesAndGoes(scene, { enableIpv4: false });
    },
  },
  {
    id: "networks/internal",
    rule: "A network may be internal: without a way out.",
    where: "NetworkOptions.internal",
    needs: [mayBeInternal],
    run: (scene) => livesAndGoes(scene, { internal: true }),
  },
  {
    id: "networks/internal-refused",
    rule: "Where networks are never internal, one that shall be is refused, and nothing is made.",
    where: "DriverTraits.neverInternal",
    needs: [neverInternal],
    async run(scene) {
      const request = scene.network({ internal: true });
      await refusal("an internal network", () => scene.driver.createNetwork(request));
      await scene.mustBeClean();
    },
  },
  {
    id: "networks/no-gateway",
    rule: "A subnet may have no gateway address.",
    where: "PoolData.gateway",
    run(scene) {
      const data = (family: 4 | 6) =>
        scene.families.includes(family) ? [poolData(family, 250, { gateway: false })] : [];
      return livesAndGoes(scene, { ipv4Data: data(4), ipv6Data: data(6) });
    },
  },
  {
    id: "networks/auxiliary",
    rule: "A subnet may have auxiliary addresses that are somebody else's.",
    where: "PoolData.auxAddresses",
    needs: [ipv4],
    run(scene) {
      const data = poolData(4, 251);
      const auxAddresses = { router: prefix("198.18.251.9/24") };
      return livesAndGoes(scene, { enableIpv6: false, ipv4Data: [{ ...data, auxAddresses }] });
    },
  },
  {
    id: "networks/delete-empties",
    rule: "Deleting a network before any endpoint was joined leaves nothing of its endpoints either.",
    where: "NetworkDriver.deleteNetwork",
    async run(scene) {
      const network = await scene.madeNetwork();
      const { endpointId, networkId } = await scene.madeEndpoint(network);
      await scene.driver.deleteEndpoint({ networkId, endpointId });
      await scene.driver.deleteNetwork({ networkId });
      await scene.mustBeClean();
    },
  },
  {
    id: "networks/kept-by-endpoints",
    rule: "Deleting an endpoint leaves its network as it was.",
    where: "NetworkDriver.deleteEndpoint",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      await scene.disconnected(await scene.connected(network));
      await scene.mustBeClean("the network as it was without the endpoint", before);
      const request = { ...scene.endpoint(network), options: noOptions };
      await scene.driver.createEndpoint(request);
    },
  },
];
