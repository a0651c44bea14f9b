// A mutant for each check of what is asked: in which words, how wrongly, how many at once.

import { prefixFamily } from "../../../../src/netip/index.ts";
import { internal, invalid, notFound } from "../../../../src/util/errors.ts";
import { before, failing, leaving, type Mutation, meeting, once, refusing, writing } from "../breaking.ts";
import type { MemoryDriver } from "../memory-driver.ts";
import { fixedMac, gateway4, next, nextMac } from "./shared.ts";

const unknownNetwork = (error: Error): Mutation =>
  before("createEndpoint", ({ networkId }, driver) => {
    if (!driver.networks.has(networkId)) throw error;
  });

export const requestMutants: Readonly<Record<string, Mutation>> = {
  "requests/create-network": writing("createNetwork"),
  "requests/delete-network": writing("deleteNetwork"),
  "requests/create-endpoint": writing("createEndpoint"),
  "requests/delete-endpoint": writing("deleteEndpoint"),
  "requests/join": writing("join"),
  "requests/leave": writing("leave"),
  "requests/publish": writing("programExternalConnectivity"),
  "requests/check-gateway": writing("checkGateway"),
  "requests/answers-are-given": (driver) => {
    const kept = new Map<string, object>();
    return {
      createEndpoint: async (request: Parameters<MemoryDriver["createEndpoint"]>[0]) => {
        const own = kept.get(request.endpointId) ?? { ...(await driver.createEndpoint(request)) };
        kept.set(request.endpointId, own);
        return own;
      },
    };
  },

  "input/wrong-option": (driver) => ({
    createNetwork: (request: Parameters<MemoryDriver["createNetwork"]>[0]) =>
      driver.createNetwork({ ...request, options: { ...request.options, generic: {} } }),
  }),
  "input/wrong-option-is-named": failing("createNetwork", () => {
    throw invalid("something is wrong");
  }),
  "input/after-refusal": once("createNetwork"),
  "input/ipv6-pool-for-ipv4": leaving("createNetwork", ({ ipv4Data }) =>
    ipv4Data.some(({ pool }) => prefixFamily(pool) === 6),
  ),
  "input/ipv4-pool-for-ipv6": leaving("createNetwork", ({ ipv6Data }) =>
    ipv6Data.some(({ pool }) => prefixFamily(pool) === 4),
  ),
  "input/gateway-elsewhere": leaving("createNetwork", ({ ipv4Data }) =>
    ipv4Data.some(({ gateway }) => gateway?.address.value === gateway4?.value),
  ),
  "input/pools-of-a-family-without": leaving(
    "createNetwork",
    ({ options, ipv6Data }) => !options.enableIpv6 && ipv6Data.length > 0,
  ),
  "input/no-pools": leaving(
    "createNetwork",
    ({ ipv4Data, ipv6Data }) => ipv4Data.length + ipv6Data.length === 0,
  ),
  "input/large-option": leaving("createNetwork", ({ options }) =>
    Object.values(options.generic).some((value) => value.length > 60_000),
  ),
  "input/many-options": leaving("createNetwork", ({ options }) => Object.keys(options.generic).length > 500),
  "input/strange-options": leaving("createNetwork", ({ options }) =>
    Object.hasOwn(options.generic, "constructor"),
  ),
  "input/strange-endpoint-options": leaving("createEndpoint", ({ options }) =>
    Object.hasOwn(options.driverOpts, "constructor"),
  ),
  "input/foreign-address": leaving(
    "createEndpoint",
    ({ interface: own }) => (own.address?.address.value ?? 0n) >> 24n === 203n,
  ),
  "input/no-addresses": leaving("createEndpoint", ({ interface: own }) => Object.keys(own).length === 0),
  "input/sandbox-missing": leaving("join", ({ sandboxKey }) => sandboxKey.startsWith("/run")),
  "input/odd-ids": refusing("leave", ({ networkId }) => !/^[0-9a-f]{64}$/.test(networkId)),
  "input/unknown-network-kind": unknownNetwork(internal("no such network")),
  "input/unknown-network-is-named": unknownNetwork(notFound("no such network")),
  "input/unknown-endpoint-is-named": failing("join", () => {
    throw notFound("no such endpoint");
  }),
  "input/errors": unknownNetwork(notFound("No such network.\nSorry.")),
  "input/fuzz-networks": leaving("createNetwork", ({ options }) => options.internal && !options.enableIpv4),
  "input/fuzz-endpoints": leaving("createEndpoint", ({ interface: own }) => own.address === undefined),
  "input/fuzz-walk": leaving(
    "deleteEndpoint",
    (_request, driver) => driver.networks.size > 0 && next() % 3 === 0,
  ),

  "concurrency/networks": meeting("createNetwork"),
  "concurrency/same-network": meeting("createNetwork", (_answer, { networkId }, machine) => {
    machine.addLink({ name: "second", owner: networkId });
  }),
  "concurrency/delete-same-network": meeting("deleteNetwork"),
  "concurrency/endpoints": meeting("createEndpoint"),
  "concurrency/same-endpoint": meeting("createEndpoint", (answer) => ({ ...answer, macAddress: nextMac() })),
  "concurrency/delete-same-endpoint": meeting("deleteEndpoint"),
  "concurrency/leave": meeting("leave"),
  "concurrency/come-and-go": meeting("createEndpoint"),
  "concurrency/networks-and-endpoints": meeting("createNetwork"),
  "concurrency/macs": meeting("createEndpoint", (answer) => ({ ...answer, macAddress: fixedMac })),
};
