// A mutant for each check of what befalls a driver, and of what is left in the end.

import { after, before, failing, leaving, type Mutation, meeting, once, refusing } from "../breaking.ts";
import type { MemoryDriver } from "../memory-driver.ts";
import type { Machine } from "../memory-machine.ts";
import { cutAll, linkOf, next, nextMac, remembering } from "./shared.ts";

const sweepsNothing: Mutation = () => ({ sweep: async () => undefined });

const leakOnDelete = (kind: keyof Machine["listed"]): Mutation =>
  after("deleteNetwork", (_answer, _request, _driver, machine) => void machine.listed[kind].push("left"));

export const hardshipMutants: Readonly<Record<string, Mutation>> = {
  "faults/network": failing("createNetwork", ({ networkId }, _driver, machine) => {
    machine.addLink({ name: "half", owner: networkId });
  }),
  "faults/network-again": remembering((seen, driver) => ({
    createNetwork: async (request: Parameters<MemoryDriver["createNetwork"]>[0]) => {
      if (seen.has(request.networkId)) throw new Error("it failed before");
      seen.add(request.networkId);
      await driver.createNetwork(request);
      seen.delete(request.networkId);
    },
  })),
  "faults/tells": failing("createNetwork", () => {
    throw new Error("it did not work");
  }),
  "faults/delete-network": remembering((seen, driver) => ({
    deleteNetwork: async (request: { networkId: string }) => {
      if (seen.has(request.networkId)) return;
      seen.add(request.networkId);
      await driver.deleteNetwork(request);
      seen.delete(request.networkId);
    },
  })),
  "faults/endpoint": failing(
    "join",
    (_request, _driver, machine) => void machine.listed.records.push("half"),
  ),
  "faults/endpoint-again": remembering((seen, driver) => ({
    join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
      if (seen.has(request.endpointId)) throw new Error("it failed before");
      seen.add(request.endpointId);
      const answer = await driver.join(request);
      seen.delete(request.endpointId);
      return answer;
    },
  })),
  "faults/others": failing("join", (_request, _driver, machine) => cutAll(machine)),

  "latency/networks": meeting("createNetwork"),
  "latency/endpoints": meeting("join"),
  "latency/same-endpoint": meeting("createEndpoint", (_answer, _request, machine) => {
    machine.listed.records.push("twice");
  }),
  "latency/come-and-go": meeting("createEndpoint"),

  "restart/serves": before("createNetwork", ({ networkId }, _driver, machine) => {
    if (linkOf(machine, networkId)) cutAll(machine);
  }),
  "restart/not-cut": (_driver, machine) => {
    if (machine.links.size > 1) cutAll(machine);
    return {};
  },
  "restart/replay-twice": once("createNetwork"),
  "restart/same-answer": after("createEndpoint", (answer, { interface: own }) =>
    own.macAddress ? { ...answer, macAddress: nextMac() } : answer,
  ),
  "restart/newcomer": remembering((seen, driver, machine) => ({
    createNetwork: async (request: Parameters<MemoryDriver["createNetwork"]>[0]) => {
      if (linkOf(machine, request.networkId)) seen.add(request.networkId);
      await driver.createNetwork(request);
    },
    join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
      if (seen.has(request.networkId)) machine.cut.add(request.endpointId);
      return await driver.join(request);
    },
  })),
  "restart/delete": remembering((seen, driver, machine) => ({
    createNetwork: async (request: Parameters<MemoryDriver["createNetwork"]>[0]) => {
      if (linkOf(machine, request.networkId)) seen.add(request.networkId);
      await driver.createNetwork(request);
    },
    deleteNetwork: async (request: { networkId: string }) => {
      if (!seen.has(request.networkId)) await driver.deleteNetwork(request);
    },
  })),
  "restart/joins-again": refusing("createEndpoint", ({ interface: own }) => own.macAddress !== undefined),
  "restart/rejoin": leaving("rejoin"),
  "restart/without-rejoin": remembering((seen, driver) => ({
    join: (request: Parameters<MemoryDriver["join"]>[0]) => {
      seen.add(request.endpointId);
      return driver.join(request);
    },
    rejoin: async ({ endpointId }: { endpointId: string }) => void seen.add(endpointId),
    deleteEndpoint: async (request: Parameters<MemoryDriver["deleteEndpoint"]>[0]) => {
      if (!seen.has(request.endpointId)) throw new Error("it has not joined");
      await driver.deleteEndpoint(request);
    },
  })),
  "restart/sweep-network": sweepsNothing,
  "restart/sweep-endpoint": sweepsNothing,
  "restart/sweep-spares": (_driver, machine) => ({
    sweep: async () => {
      for (const { owner } of [...machine.links]) if (owner !== "host") machine.removeOf(owner);
    },
  }),
  "restart/sweep-strangers": (_driver, machine) => ({ sweep: async () => machine.removeOf("host") }),
  "restart/crash-in-create": sweepsNothing,
  "restart/crash-in-join": sweepsNothing,
  "restart/cluster": (driver) => ({ enterCluster: async () => ({ ...(await driver.enterCluster()) }) }),

  "leaks/links": after("deleteNetwork", (_answer, _request, _driver, machine) => {
    machine.addLink({ name: "left", owner: "host" });
  }),
  "leaks/addresses": leakOnDelete("addresses"),
  "leaks/routes": leakOnDelete("routes"),
  "leaks/rules": leakOnDelete("rules"),
  "leaks/namespaces": leakOnDelete("namespaces"),
  "leaks/records": leakOnDelete("records"),
  "leaks/ports": after("deleteNetwork", (_answer, { networkId }, _driver, machine) => {
    machine.ports.set(`${next()}/tcp`, networkId);
  }),
  "leaks/forwards": leakOnDelete("forwards"),
};
