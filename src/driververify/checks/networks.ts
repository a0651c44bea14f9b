// The life of networks: order, repetition, variety.

import { isMulticast } from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import {
  ipv4,
  ipv6,
  manyNetworks,
  mayBeInternal,
  member,
  type NetworkFacts,
  neverInternal,
  onlyNetwork,
} from "../network-needs.ts";
import { type NetworkWish, noOptions, poolData, prefix, type Scene } from "../scene.ts";
import { show } from "../show.ts";
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
    id: "networks/check-gateway",
    rule: "checkGateway says with true or false for which families no gateway is needed.",
    where: "NetworkDriver.checkGateway",
    needs: [member("checkGateway")],
    async run(scene) {
      const answer = await scene.method("checkGateway")(scene.network().options);
      const { skipIpv4, skipIpv6, internal = false } = answer;
      const isRight = [skipIpv4, skipIpv6, internal].every((flag) => typeof flag === "boolean");
      must(isRight, "true or false for each", () => show(answer));
    },
  },
  {
    id: "networks/check-gateway-changes-nothing",
    rule: "checkGateway only answers: it changes nothing, and says the same again.",
    where: "NetworkDriver.checkGateway",
    needs: [member("checkGateway")],
    async run(scene) {
      const check = scene.method("checkGateway");
      const { options } = scene.network();
      const first = show(await check(options));
      const second = show(await check(options));
      must(first === second, first, second);
      await scene.mustBeClean();
    },
  },
  {
    id: "networks/effective-options",
    rule: "effectiveOptions answers text by the names that users give.",
    where: "NetworkDriver.effectiveOptions",
    needs: [member("effectiveOptions")],
    async run(scene) {
      const effective = scene.method("effectiveOptions");
      const { networkId } = await scene.madeNetwork();
      const answer = await effective({ networkId });
      const strays = Object.entries(answer).filter(([, value]) => typeof value !== "string");
      must(strays.length === 0, "text", () => show(Object.fromEntries(strays)));
    },
  },
  {
    id: "networks/effective-options-of-user",
    rule: "effectiveOptions has what the user chose.",
    where: "NetworkDriver.effectiveOptions",
    needs: [member("effectiveOptions")],
    async run(scene) {
      const effective = scene.method("effectiveOptions");
      const { networkId, options } = await scene.madeNetwork();
      const answer = await effective({ networkId });
      const lost = Object.entries(options.generic).filter(([key, value]) => answer[key] !== value);
      must(lost.length === 0, show(Object.fromEntries(lost)), () => show(answer));
    },
  },
  {
    id: "networks/describe",
    rule: "Links that describeNetwork tells of with an index are there, on the host or in a namespace of the driver's own.",
    where: "NetworkDriver.describeNetwork",
    needs: [member("describeNetwork")],
    async run(scene) {
      const describe = scene.method("describeNetwork");
      const network = await scene.madeNetwork();
      await scene.connected(network);
      const { links } = await describe(network);
      for (const { name, index } of links) {
        if (index === undefined) continue;
        const isThere = await scene.stage.isThere(name, index);
        must(isThere, `link ${name} with index ${index}`, "no such link");
      }
    },
  },
  {
    id: "networks/describe-endpoints",
    rule: "describeNetwork tells of the endpoints that there are, by their ids.",
    where: "NetworkDescription.endpoints",
    needs: [member("describeNetwork")],
    async run(scene) {
      const describe = scene.method("describeNetwork");
      const network = await scene.madeNetwork();
      const { ref } = await scene.connected(network);
      const { endpoints } = await describe(network);
      const ids = [...endpoints.keys()];
      must(ids.length === 1 && ids[0] === ref.endpointId, show([ref.endpointId]), () => show(ids));
    },
  },
  {
    id: "networks/describe-changes-nothing",
    rule: "describeNetwork only looks.",
    where: "NetworkDriver.describeNetwork",
    needs: [member("describeNetwork")],
    async run(scene) {
      const describe = scene.method("describeNetwork");
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      for (let round = 0; round < 2; round++) await describe(network);
      await scene.mustBeClean("the host as it was before looking", before);
    },
  },
  {
    id: "networks/peers",
    rule: "peers answers hosts, each with an id, a name and an address that others can send to.",
    where: "NetworkDriver.peers",
    needs: [member("peers")],
    async run(scene) {
      const peers = scene.method("peers");
      const network = await scene.madeNetwork();
      await scene.connected(network);
      for (const peer of peers(network)) {
        const isRight = peer.nodeId !== "" && peer.name !== "" && !isMulticast(peer.address);
        must(isRight, "an id, a name and a unicast address", () => show(peer));
      }
    },
  },
  {
    id: "networks/follow-uplink",
    rule: "followUplink answers networks that there are, each with an MTU that IP can do with.",
    where: "NetworkDriver.followUplink",
    needs: [member("followUplink")],
    async run(scene) {
      const follow = scene.method("followUplink");
      const network = await scene.madeNetwork();
      for (const { networkId, mtu } of await follow())
        must(
          networkId === network.networkId && mtu >= 68,
          `network ${show(network.networkId)} with at least 68`,
          () => `${show(networkId)} with ${mtu}`,
        );
    },
  },
  {
    id: "networks/follow-uplink-once",
    rule: "followUplink answers what changed: nothing, when it is asked again.",
    where: "NetworkDriver.followUplink",
    needs: [member("followUplink")],
    async run(scene) {
      const follow = scene.method("followUplink");
      await scene.madeNetwork();
      await follow();
      const again = await follow();
      must(again.length === 0, "[]", () => show(again));
    },
  },
  {
    id: "networks/settle",
    rule: "settle resolves when there is nothing left to do, as often as it is asked, whatever time it is given.",
    where: "NetworkDriver.settle",
    needs: [member("settle")],
    async run(scene) {
      const settle = scene.method("settle");
      await settle();
      await scene.madeNetwork();
      await settle({ withinMs: 0 });
      await settle({ withinMs: 1_000 });
    },
  },
  {
    id: "networks/forget",
    rule: "forgetNetwork leaves nothing of the network on this host.",
    where: "NetworkDriver.forgetNetwork",
    needs: [member("forgetNetwork")],
    async run(scene) {
      const forget = scene.method("forgetNetwork");
      const { networkId } = await scene.madeNetwork();
      await forget({ networkId });
      await scene.mustBeClean();
    },
  },
  {
    id: "networks/forget-twice",
    rule: "Forgetting a network that is forgotten, or never was, succeeds.",
    where: "NetworkDriver.forgetNetwork",
    needs: [member("forgetNetwork")],
    async run(scene) {
      const forget = scene.method("forgetNetwork");
      const { networkId } = await scene.madeNetwork();
      for (let round = 0; round < 2; round++) await forget({ networkId });
      await forget({ networkId: scene.network().networkId });
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
