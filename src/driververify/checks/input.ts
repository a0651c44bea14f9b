// Wrong input: what is not there, what contradicts itself, what is far too large. It may be refused or made sense of;
// either way the driver goes on and nothing stays behind.

import type { CreateNetworkRequest, PoolData } from "../../driverapi/index.ts";
import { errorMessage } from "../../util/errors.ts";
import { type Check, must, onlyIf } from "../check.ts";
import { type NetworkWish, poolData, prefix, type Scene } from "../scene.ts";
import { show } from "../show.ts";
import { kindOf, mustBeOfKind, orRefused, refusal } from "./refusal.ts";

/** Asks for a network that makes little sense; whatever comes of it must go again, and the next must be made. */
async function survives(scene: Scene, request: CreateNetworkRequest): Promise<void> {
  await orRefused(() => scene.driver.createNetwork(request));
  await scene.driver.deleteNetwork({ networkId: request.networkId });
  await scene.mustBeClean();
}

async function survivesWish(scene: Scene, wish: NetworkWish): Promise<void> {
  await survives(scene, scene.network(wish));
  const { networkId } = await scene.madeNetwork();
  await scene.driver.deleteNetwork({ networkId });
}

async function unknownNetworkError(scene: Scene) {
  scene.needLinks();
  const request = scene.endpoint(scene.network());
  const error = await refusal("an endpoint of an unknown network", () =>
    scene.driver.createEndpoint(request),
  );
  return { request, error };
}

async function unknownEndpointError(scene: Scene) {
  scene.needLinks();
  const request = scene.endpoint(await scene.madeNetwork());
  const join = scene.joinRequest(request, await scene.sandbox());
  return { request, error: await refusal("a join of an unknown endpoint", () => scene.driver.join(join)) };
}

const userKinds = [
  "invalid",
  "forbidden",
  "not-found",
  "conflict",
  "not-implemented",
  "unavailable",
] as const;

/** Keys and values that have a meaning to JavaScript and to nobody else. */
const strange = Object.fromEntries([
  ["constructor", "x"],
  ["hasOwnProperty", ""],
  ["toString", "1"],
  ["a b", "\n"],
]);

export const inputChecks: readonly Check<Scene>[] = [
  {
    id: "input/wrong-option",
    rule: "An option with a value that cannot be read is refused as invalid, and nothing is made.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const { wrongOption } = scene.traits;
      onlyIf(wrongOption !== undefined, "no option that must be refused was named");
      const request = scene.network({ generic: wrongOption });
      const error = await refusal("the option", () => scene.driver.createNetwork(request));
      if (scene.stage.whyNoKinds === undefined) mustBeOfKind(error, ["invalid"], "the option");
      await scene.mustBeClean();
    },
  },
  {
    id: "input/wrong-option-is-named",
    rule: "The error about an option names the option.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const { wrongOption } = scene.traits;
      onlyIf(wrongOption !== undefined, "no option that must be refused was named");
      const request = scene.network({ generic: wrongOption });
      const error = await refusal("the option", () => scene.driver.createNetwork(request));
      const isNamed = Object.entries(wrongOption).some(([key, value]) =>
        [key, key.split(".").at(-1) ?? key, value].some((word) => errorMessage(error).includes(word)),
      );
      must(isNamed, `a text with ${Object.keys(wrongOption).join(", ")}`, () => errorMessage(error));
    },
  },
  {
    id: "input/after-refusal",
    rule: "A request that was refused does not spoil the next one under the same id.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const { wrongOption } = scene.traits;
      onlyIf(wrongOption !== undefined, "no option that must be refused was named");
      const wrong = scene.network({ generic: wrongOption });
      await refusal("the option", () => scene.driver.createNetwork(wrong));
      const { networkOptions = {} } = scene.traits;
      await scene.driver.createNetwork({ ...wrong, options: { ...wrong.options, generic: networkOptions } });
    },
  },
  {
    id: "input/ipv6-pool-for-ipv4",
    rule: "An IPv6 subnet where an IPv4 one belongs does no harm.",
    where: "CreateNetworkRequest.ipv4Data",
    run: (scene) => survivesWish(scene, { enableIpv4: true, ipv4Data: [poolData(6, 240)] }),
  },
  {
    id: "input/ipv4-pool-for-ipv6",
    rule: "An IPv4 subnet where an IPv6 one belongs does no harm.",
    where: "CreateNetworkRequest.ipv6Data",
    run: (scene) => survivesWish(scene, { enableIpv6: true, ipv6Data: [poolData(4, 241)] }),
  },
  {
    id: "input/gateway-elsewhere",
    rule: "A gateway outside its subnet does no harm.",
    where: "PoolData.gateway",
    run(scene) {
      const data = { ...poolData(4, 242), gateway: prefix("203.0.113.1/24") };
      return survivesWish(scene, { enableIpv6: false, ipv4Data: [data] });
    },
  },
  {
    id: "input/pools-of-a-family-without",
    rule: "Subnets of a family that the network does not have do no harm.",
    where: "NetworkOptions.enableIpv6",
    run: (scene) => survivesWish(scene, { enableIpv6: false, ipv6Data: [poolData(6, 243)] }),
  },
  {
    id: "input/no-pools",
    rule: "A family that is enabled and has no subnet does no harm.",
    where: "CreateNetworkRequest.ipv4Data",
    run: (scene) => survivesWish(scene, { ipv4Data: [], ipv6Data: [] }),
  },
  {
    id: "input/large-option",
    rule: "An option of 64 KiB does no harm.",
    where: "NetworkOptions.generic",
    run: (scene) => survivesWish(scene, { generic: { [`tsdocker.${"k".repeat(100)}`]: "v".repeat(65_536) } }),
  },
  {
    id: "input/many-options",
    rule: "A thousand options do no harm.",
    where: "NetworkOptions.generic",
    run(scene) {
      const generic = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`option${at}`, `${at}`]));
      return survivesWish(scene, { generic });
    },
  },
  {
    id: "input/strange-options",
    rule: "Options may be called like members of objects.",
    where: "NetworkOptions.generic",
    hint: "look for keys with Object.hasOwn, or keep them in a Map",
    run: (scene) => survivesWish(scene, { generic: strange }),
  },
  {
    id: "input/strange-endpoint-options",
    rule: "Options of endpoints may be called like members of objects.",
    where: "EndpointOptions.driverOpts",
    hint: "look for keys with Object.hasOwn, or keep them in a Map",
    async run(scene) {
      const plain = scene.endpoint(await scene.madeNetwork());
      const request = { ...plain, options: { ...plain.options, driverOpts: strange } };
      await orRefused(() => scene.driver.createEndpoint(request));
    },
  },
  {
    id: "input/foreign-address",
    rule: "An endpoint address outside the network's subnets does no harm.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const network = await scene.madeNetwork();
      const request = scene.endpoint(network, { address: prefix("203.0.113.7/24") });
      await orRefused(() => scene.driver.createEndpoint(request));
    },
  },
  {
    id: "input/no-addresses",
    rule: "An endpoint without addresses is made, or refused in an orderly way.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork(), {});
      await orRefused(() => scene.driver.createEndpoint(request));
    },
  },
  {
    id: "input/sandbox-missing",
    rule: "A join with a sandbox that is not there is refused or harmless, and leaves nothing.",
    where: "JoinRequest.sandboxKey",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const { networkId, endpointId } = await scene.madeEndpoint(network);
      const sandboxKey = "/run/netns/there-is-no-such-sandbox";
      const join = { networkId, endpointId, sandboxKey, freeIndex: 2, suggestedName: "eth0" };
      await orRefused(() => scene.driver.join(join));
      await scene.driver.leave({ networkId, endpointId });
      await scene.driver.deleteEndpoint({ networkId, endpointId });
      await scene.mustBeClean("the network without the endpoint", before);
    },
  },
  {
    id: "input/odd-ids",
    rule: "Leaving and deleting under ids that are none succeeds.",
    where: "EndpointRef",
    async run(scene) {
      for (const id of ["x", "../..", "0".repeat(2000), "é\n"]) {
        const ref = { networkId: id, endpointId: id };
        await scene.driver.leave(ref);
        await scene.driver.deleteEndpoint(ref);
        await scene.driver.deleteNetwork(ref);
      }
      await scene.mustBeClean();
    },
  },
  {
    id: "input/unknown-network-kind",
    rule: "That a network is not there is said with a kind of error that reaches the user.",
    where: "NetworkDriver",
    async run(scene) {
      scene.needKinds();
      const { error } = await unknownNetworkError(scene);
      must(
        userKinds.some((kind) => kind === kindOf(error)),
        "not-found or another kind",
        () => kindOf(error),
      );
    },
  },
  {
    id: "input/unknown-network-is-named",
    rule: "That a network is not there is said with its id, or the beginning of it.",
    where: "NetworkDriver",
    async run(scene) {
      const { error, request } = await unknownNetworkError(scene);
      const message = errorMessage(error);
      must(message.includes(request.networkId.slice(0, 10)), request.networkId.slice(0, 12), message);
    },
  },
  {
    id: "input/unknown-endpoint-is-named",
    rule: "That an endpoint is not there is said with its id, or the beginning of it.",
    where: "NetworkDriver",
    async run(scene) {
      const { error, request } = await unknownEndpointError(scene);
      const message = errorMessage(error);
      must(message.includes(request.endpointId.slice(0, 10)), request.endpointId.slice(0, 12), message);
    },
  },
  {
    id: "input/errors",
    rule: "What is thrown is an Error, and its text is one line without a full stop.",
    where: "NetworkDriver",
    async run(scene) {
      const { error } = await unknownNetworkError(scene);
      must(error instanceof Error, "an Error", () => show(error));
      must(/^[^\n]+[^.\n]$/.test(error.message), "one line without a full stop", () => show(error.message));
    },
  },
  {
    id: "input/fuzz-networks",
    rule: "Whatever a request for a network says, it is made or refused, and nothing is left of it.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      for (let round = 0; round < 15; round++) {
        const request = scene.network(fuzzWish(scene));
        await survives(scene, request);
      }
    },
  },
  {
    id: "input/fuzz-endpoints",
    rule: "Whatever a request for an endpoint says, it is made or refused, and nothing is left of it.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      for (let round = 0; round < 15; round++) {
        const plain = scene.endpoint(network, fuzzInterface(scene));
        const driverOpts = { [scene.random.text(6)]: scene.random.text(scene.random.below(40)) };
        const request = { ...plain, options: { ...plain.options, driverOpts } };
        await orRefused(() => scene.driver.createEndpoint(request));
        await scene.driver.deleteEndpoint({ networkId: request.networkId, endpointId: request.endpointId });
      }
      await scene.mustBeClean("the network without endpoints", before);
    },
  },
  {
    id: "input/fuzz-walk",
    rule: "In whatever order endpoints are made, join, leave and are deleted, nothing is left in the end.",
    where: "NetworkDriver",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const members: Awaited<ReturnType<Scene["connected"]>>[] = [];
      for (let step = 0; step < 20; step++) {
        const member = members[scene.random.below(members.length + 2)];
        if (!member) {
          if (members.length < 4) members.push(await scene.connected(network));
          continue;
        }
        if (scene.random.below(2) === 0) await scene.driver.createEndpoint(member.request);
        else {
          members.splice(members.indexOf(member), 1);
          await scene.disconnected(member);
        }
      }
      for (const member of members) await scene.disconnected(member);
      await scene.mustBeClean("the network without endpoints", before);
    },
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
