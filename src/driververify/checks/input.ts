// Wrong input: what is not there, what contradicts itself, what is far too large. It may be refused or made sense of;
// either way the driver goes on and nothing stays behind.

import type { CreateNetworkRequest, EndpointOptions } from "../../driverapi/index.ts";
import { errorMessage } from "../../util/errors.ts";
import { type Check, must } from "../check.ts";
import { kinds, links, type NetworkFacts, wrongOption } from "../network-needs.ts";
import { poolData, prefix } from "../pools.ts";
import type { NetworkWish, Scene } from "../scene.ts";
import { show } from "../show.ts";
import { fuzzChecks } from "./fuzz.ts";
import { kindOf, mustBeOfKind, orRefused, refusal, survives } from "./refusal.ts";

type InputCheck = Check<Scene, NetworkFacts>;

/** Networks that make little sense, by the name of the check; after each the next must be made. */
const oddNetworks: Readonly<
  Record<string, Pick<InputCheck, "rule" | "where" | "hint"> & { wish: NetworkWish }>
> = {
  "ipv6-pool-for-ipv4": {
    rule: "An IPv6 subnet where an IPv4 one belongs does no harm.",
    where: "CreateNetworkRequest.ipv4Data",
    wish: { enableIpv4: true, ipv4Data: [poolData(6, 240)] },
  },
  "ipv4-pool-for-ipv6": {
    rule: "An IPv4 subnet where an IPv6 one belongs does no harm.",
    where: "CreateNetworkRequest.ipv6Data",
    wish: { enableIpv6: true, ipv6Data: [poolData(4, 241)] },
  },
  "gateway-elsewhere": {
    rule: "A gateway outside its subnet does no harm.",
    where: "PoolData.gateway",
    wish: {
      enableIpv6: false,
      ipv4Data: [{ ...poolData(4, 242), gateway: prefix("203.0.113.1/24") }],
    },
  },
  "pools-of-a-family-without": {
    rule: "Subnets of a family that the network does not have do no harm.",
    where: "NetworkOptions.enableIpv6",
    wish: { enableIpv6: false, ipv6Data: [poolData(6, 243)] },
  },
  "no-pools": {
    rule: "A family that is enabled and has no subnet does no harm.",
    where: "CreateNetworkRequest.ipv4Data",
    wish: { ipv4Data: [], ipv6Data: [] },
  },
  "large-option": {
    rule: "An option of 64 KiB does no harm.",
    where: "NetworkOptions.generic",
    wish: { generic: { [`tsdocker.${"k".repeat(100)}`]: "v".repeat(65_536) } },
  },
  "many-options": {
    rule: "A thousand options do no harm.",
    where: "NetworkOptions.generic",
    wish: {
      generic: Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`option${at}`, `${at}`])),
    },
  },
  "strange-options": {
    rule: "Options may be called like members of objects.",
    where: "NetworkOptions.generic",
    hint: "look for keys with Object.hasOwn, or keep them in a Map",
    wish: { generic: strange() },
  },
};

const oddNetworkChecks = Object.entries(oddNetworks).map(
  ([name, { wish, ...facts }]): InputCheck => ({
    id: `input/${name}`,
    ...facts,
    async run(scene) {
      await survives(scene, scene.network(wish));
      const { networkId } = await scene.madeNetwork();
      await scene.driver.deleteNetwork({ networkId });
    },
  }),
);

/** An endpoint that makes little sense. */
function oddEndpoint(
  facts: Pick<InputCheck, "id" | "rule" | "where" | "hint">,
  {
    own,
    options,
  }: { readonly own?: Parameters<Scene["endpoint"]>[1]; readonly options?: Partial<EndpointOptions> },
): InputCheck {
  return {
    ...facts,
    async run(scene) {
      const plain = scene.endpoint(await scene.madeNetwork(), own);
      const request = { ...plain, options: { ...plain.options, ...options } };
      await orRefused(() => scene.driver.createEndpoint(request));
    },
  };
}

/** A rule about how an option is refused that must be. */
function refusedOption(
  facts: Pick<InputCheck, "id" | "rule">,
  judge: (refused: {
    readonly scene: Scene;
    readonly error: unknown;
    readonly request: CreateNetworkRequest;
  }) => Promise<void> | void,
): InputCheck {
  return {
    ...facts,
    where: "NetworkDriver.createNetwork",
    needs: [wrongOption],
    async run(scene) {
      const request = scene.network({ generic: scene.traits.wrongOption ?? {} });
      const error = await refusal("the option", () => scene.driver.createNetwork(request));
      await judge({ scene, error, request });
    },
  };
}

const userKinds = [
  "invalid",
  "forbidden",
  "not-found",
  "conflict",
  "not-implemented",
  "unavailable",
] as const;

/** A rule about the error that tells of a network or endpoint which is not there. */
function unknown(
  facts: Omit<InputCheck, "run" | "where">,
  what: "network" | "endpoint",
  judge: (error: unknown, id: string) => void,
): InputCheck {
  return {
    ...facts,
    where: "NetworkDriver",
    needs: [links, ...(facts.needs ?? [])],
    async run(scene) {
      const network = what === "network" ? scene.network() : await scene.madeNetwork();
      const request = scene.endpoint(network);
      const join = scene.joinRequest(request, await scene.sandbox());
      const error = await refusal(`something with an unknown ${what}`, () =>
        what === "network" ? scene.driver.createEndpoint(request) : scene.driver.join(join),
      );
      judge(error, what === "network" ? request.networkId : request.endpointId);
    },
  };
}

function mustName(error: unknown, id: string): void {
  const message = errorMessage(error);
  must(message.includes(id.slice(0, 10)), id.slice(0, 12), message);
}

export const inputChecks: readonly InputCheck[] = [
  refusedOption(
    {
      id: "input/wrong-option",
      rule: "An option with a value that cannot be read is refused as invalid, and nothing is made.",
    },
    async ({ scene, error }) => {
      if (scene.stage.whyNoKinds === undefined) mustBeOfKind(error, ["invalid"], "the option");
      await scene.mustBeClean();
    },
  ),
  refusedOption(
    { id: "input/wrong-option-is-named", rule: "The error about an option names the option." },
    ({ scene, error }) => {
      const wrong = scene.traits.wrongOption ?? {};
      const words = Object.entries(wrong).flatMap(([key, value]) => [
        key,
        key.split(".").at(-1) ?? key,
        value,
      ]);
      const isNamed = words.some((word) => errorMessage(error).includes(word));
      must(isNamed, `a text with ${Object.keys(wrong).join(", ")}`, () => errorMessage(error));
    },
  ),
  refusedOption(
    {
      id: "input/after-refusal",
      rule: "A request that was refused does not spoil the next one under the same id.",
    },
    async ({ scene, request }) => {
      const { options } = scene.network();
      await scene.driver.createNetwork({ ...request, options });
    },
  ),
  ...oddNetworkChecks,
  oddEndpoint(
    {
      id: "input/strange-endpoint-options",
      rule: "Options of endpoints may be called like members of objects.",
      where: "EndpointOptions.driverOpts",
      hint: "look for keys with Object.hasOwn, or keep them in a Map",
    },
    { options: { driverOpts: strange() } },
  ),
  oddEndpoint(
    {
      id: "input/foreign-address",
      rule: "An endpoint address outside the network's subnets does no harm.",
      where: "NetworkDriver.createEndpoint",
    },
    { own: { address: prefix("203.0.113.7/24") } },
  ),
  oddEndpoint(
    {
      id: "input/no-addresses",
      rule: "An endpoint without addresses is made, or refused in an orderly way.",
      where: "NetworkDriver.createEndpoint",
    },
    { own: {} },
  ),
  {
    id: "input/sandbox-missing",
    rule: "A join with a sandbox that is not there is refused or harmless, and leaves nothing.",
    where: "JoinRequest.sandboxKey",
    run: (scene) =>
      scene.mustLeaveNetwork(async (network) => {
        const { networkId, endpointId } = await scene.madeEndpoint(network);
        const sandboxKey = "/run/netns/there-is-no-such-sandbox";
        const join = { networkId, endpointId, sandboxKey, freeIndex: 2, suggestedName: "eth0" };
        await orRefused(() => scene.driver.join(join));
        await scene.driver.leave({ networkId, endpointId });
        await scene.driver.deleteEndpoint({ networkId, endpointId });
      }, "the network without the endpoint"),
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
  unknown(
    {
      id: "input/unknown-network-kind",
      rule: "That a network is not there is said with a kind of error that reaches the user.",
      needs: [kinds],
    },
    "network",
    (error) =>
      must(
        userKinds.some((kind) => kind === kindOf(error)),
        "not-found or another kind",
        () => kindOf(error),
      ),
  ),
  unknown(
    {
      id: "input/unknown-network-is-named",
      rule: "That a network is not there is said with its id, or the beginning of it.",
    },
    "network",
    mustName,
  ),
  unknown(
    {
      id: "input/unknown-endpoint-is-named",
      rule: "That an endpoint is not there is said with its id, or the beginning of it.",
    },
    "endpoint",
    mustName,
  ),
  unknown(
    {
      id: "input/errors",
      rule: "What is thrown is an Error, and its text is one line without a full stop.",
    },
    "network",
    (error) => {
      must(error instanceof Error, "an Error", () => show(error));
      must(/^[^\n]+[^.\n]$/.test(error.message), "one line without a full stop", () => show(error.message));
    },
  ),
  ...fuzzChecks,
];

/** Keys and values that have a meaning to JavaScript and to nobody else. */
function strange(): Readonly<Record<string, string>> {
  return Object.fromEntries([
    ["constructor", "x"],
    ["hasOwnProperty", ""],
    ["toString", "1"],
    ["a b", "\n"],
  ]);
}
