// What a driver may tell of its networks, and the few calls besides that are about them.

import { isMulticast } from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import { member, type NetworkFacts } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { show } from "../show.ts";

export const networkViewChecks: readonly Check<Scene, NetworkFacts>[] = [
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
];
