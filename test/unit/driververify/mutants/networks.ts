// A mutant for each check of who a driver is, and of the life of its networks.

import { after, before, instead, leaving, type Mutation, once, refusing } from "../breaking.ts";
import type { MemoryDriver } from "../memory-driver.ts";
import { gateway4, next, nothing, remembering } from "./shared.ts";

const capabilities =
  (change: object): Mutation =>
  (driver) => ({ capabilities: { ...driver.capabilities, ...change } });

export const networkMutants: Readonly<Record<string, Mutation>> = {
  "identity/name": () => ({ name: "a name" }),
  "identity/name-stays": (driver) => ({
    get name() {
      return `memory${driver.networks.size}`;
    },
  }),
  "identity/scope": capabilities({ scope: "everywhere" }),
  "identity/connectivity-scope": capabilities({ connectivityScope: "nowhere" }),
  "identity/scopes-fit": capabilities({ scope: "global" }),
  "identity/replay": capabilities({ replay: "yes" }),
  "identity/predefined": capabilities({ predefinedOnly: "no" }),
  "identity/capabilities-stay": (driver) => ({
    get capabilities() {
      return { ...driver.capabilities, replay: driver.networks.size === 0 };
    },
  }),
  "identity/methods": () => ({ leave: undefined }),
  "identity/options": () => ({ networkOptions: new Set(["colour"]) }),
  "identity/no-effect": (_driver, machine) => {
    machine.addLink({ name: `made${next()}`, owner: "host" });
    return {};
  },

  "networks/delete": instead("deleteNetwork", nothing),
  "networks/create-twice": once("createNetwork"),
  "networks/create-twice-makes-once": before("createNetwork", ({ networkId }, driver, machine) => {
    if (driver.networks.has(networkId)) machine.addLink({ name: "second", owner: networkId });
  }),
  "networks/delete-twice": once("deleteNetwork"),
  "networks/delete-unknown": refusing(
    "deleteNetwork",
    ({ networkId }, { networks }) => !networks.has(networkId),
  ),
  "networks/again": once("createNetwork"),
  "networks/again-under-another-id": remembering((seen, driver) => ({
    createNetwork: async (request: Parameters<MemoryDriver["createNetwork"]>[0]) => {
      const pools = `${request.ipv4Data[0]?.pool.address.value}`;
      if (seen.has(pools)) throw new Error("the subnet is in use");
      seen.add(pools);
      await driver.createNetwork(request);
    },
  })),
  "networks/several": refusing("createNetwork", (_request, { networks }) => networks.size >= 2),
  "networks/delete-one-of-several": after("deleteNetwork", (_answer, _request, driver, machine) => {
    for (const id of driver.networks.keys()) machine.removeOf(id);
  }),
  "networks/only-one": capabilities({ predefinedOnly: true }),
  "networks/same-name": refusing("createNetwork", ({ networkName }, { networks }) =>
    [...networks.values()].some(({ request }) => request.networkName === networkName),
  ),
  "networks/odd-name": refusing("createNetwork", ({ networkName }) => networkName.includes("/")),
  "networks/long-name": refusing("createNetwork", ({ networkName }) => networkName.length > 15),
  "networks/ipv4-only": refusing("createNetwork", ({ options }) => !options.enableIpv6),
  "networks/ipv6-only": refusing("createNetwork", ({ options }) => !options.enableIpv4),
  "networks/internal": refusing("createNetwork", ({ options }) => options.internal),
  // the driver that is whole makes them
  "networks/internal-refused": () => ({}),
  "networks/no-gateway": refusing("createNetwork", ({ ipv4Data }) =>
    ipv4Data.some(({ gateway }) => !gateway),
  ),
  "networks/auxiliary": refusing("createNetwork", ({ ipv4Data }) =>
    ipv4Data.some(({ auxAddresses }) => Object.keys(auxAddresses).length > 0),
  ),
  "networks/check-gateway": after("checkGateway", () => ({ skipIpv4: "no", skipIpv6: "no" })),
  "networks/check-gateway-changes-nothing": leaving("checkGateway"),
  "networks/effective-options": after("effectiveOptions", () => ({ mtu: 1500 })),
  "networks/effective-options-of-user": after("effectiveOptions", () => ({})),
  "networks/describe": after("describeNetwork", (answer) => ({
    ...answer,
    links: [{ role: "bridge", name: "nowhere", index: 99 }],
  })),
  "networks/describe-endpoints": after("describeNetwork", (answer) => ({ ...answer, endpoints: new Map() })),
  "networks/describe-changes-nothing": leaving("describeNetwork"),
  "networks/peers": () => ({ peers: () => [{ nodeId: "", name: "a", address: gateway4 }] }),
  "networks/follow-uplink": after("followUplink", () => [{ networkId: "x", mtu: 10 }]),
  "networks/follow-uplink-once": after("followUplink", () => [{ networkId: "x", mtu: 1400 }]),
  "networks/settle": refusing("settle", () => true),
  "networks/forget": instead("forgetNetwork", nothing),
  "networks/forget-twice": once("forgetNetwork"),
  "networks/delete-empties": leaving("deleteEndpoint"),
  "networks/kept-by-endpoints": after("deleteEndpoint", (_answer, { networkId }, _driver, machine) =>
    machine.removeOf(networkId),
  ),
};
