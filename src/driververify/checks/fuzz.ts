// Requests that chance made, and endpoints that come and go in an order that chance chose. The same seed makes the same.

import type { PoolData } from "../../driverapi/index.ts";
import type { Check } from "../check.ts";
import type { NetworkFacts } from "../network-needs.ts";
import { poolData, prefix } from "../pools.ts";
import type { Member, NetworkWish, Scene } from "../scene.ts";
import { orRefused, survives } from "./refusal.ts";

export const fuzzChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "input/fuzz-networks",
    rule: "Whatever a request for a network says, it is made or refused, and nothing is left of it.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      for (let round = 0; round < 15; round++) await survives(scene, scene.network(fuzzWish(scene)));
    },
  },
  {
    id: "input/fuzz-endpoints",
    rule: "Whatever a request for an endpoint says, it is made or refused, and nothing is left of it.",
    where: "NetworkDriver.createEndpoint",
    run: (scene) =>
      scene.mustLeaveNetwork(async (network) => {
        for (let round = 0; round < 15; round++) {
          const plain = scene.endpoint(network, fuzzInterface(scene));
          const driverOpts = { [scene.random.text(6)]: scene.random.text(scene.random.below(40)) };
          const request = { ...plain, options: { ...plain.options, driverOpts } };
          await orRefused(() => scene.driver.createEndpoint(request));
          const { networkId, endpointId } = request;
          await scene.driver.deleteEndpoint({ networkId, endpointId });
        }
      }),
  },
  {
    id: "input/fuzz-walk",
    rule: "In whatever order endpoints are made, join, leave and are deleted, nothing is left in the end.",
    where: "NetworkDriver",
    run: (scene) =>
      scene.mustLeaveNetwork(async (network) => {
        const members: Member[] = [];
        for (let step = 0; step < 20; step++) {
          const member = members[scene.random.below(members.length + 2)];
          if (!member) {
            if (members.length < 4) members.push(await scene.connected(network));
          } else if (scene.random.below(2) === 0) {
            await scene.driver.createEndpoint(member.request);
          } else {
            members.splice(members.indexOf(member), 1);
            await scene.disconnected(member);
          }
        }
        for (const member of members) await scene.disconnected(member);
      }),
  },
];

function fuzzPools(scene: Scene): readonly PoolData[] {
  const { random } = scene;
  return Array.from({ length: random.below(3) }, () => {
    const data = poolData(random.pick([4, 6]), 200 + random.below(30), { gateway: random.below(2) === 0 });
    const length = random.below(data.pool.address.family === 4 ? 33 : 129);
    return random.below(3) === 0 ? { ...data, pool: { ...data.pool, length } } : data;
  });
}

function fuzzWish(scene: Scene): NetworkWish {
  const { random } = scene;
  const flag = () => random.below(2) === 0;
  return {
    networkName: random.text(random.below(60)),
    enableIpv4: flag(),
    enableIpv6: flag(),
    internal: flag(),
    generic: { [`tsdocker.${random.text(5)}`]: random.text(random.below(300)) },
    ipv4Data: fuzzPools(scene),
    ipv6Data: fuzzPools(scene),
  };
}

function fuzzInterface(scene: Scene): Parameters<Scene["endpoint"]>[1] {
  const { random } = scene;
  const some = (text: string) => (random.below(2) === 0 ? prefix(text) : undefined);
  const address = some(`198.18.${random.below(256)}.${random.below(256)}/${random.below(33)}`);
  const addressIpv6 = some(`2001:db8:1800:${random.below(9999)}::${random.below(9999)}/${random.below(129)}`);
  return { ...(address && { address }), ...(addressIpv6 && { addressIpv6 }) };
}
