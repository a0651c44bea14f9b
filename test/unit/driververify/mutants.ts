// A mutant for each check: the driver that keeps every rule but this one.

import {
  type Mac,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
  prefixFamily,
} from "../../../src/netip/index.ts";
import { internal, invalid, notFound } from "../../../src/util/errors.ts";
import {
  after,
  before,
  failing,
  instead,
  leaving,
  type Mutation,
  meeting,
  once,
  refusing,
  writing,
} from "./breaking.ts";
import type { MemoryDriver } from "./memory-driver.ts";
import type { Machine } from "./memory-machine.ts";

const other4 = parsePrefix("203.0.113.9/24") as Prefix;
const other6 = parsePrefix("2001:db8:ffff::9/64") as Prefix;
const gateway4 = parseAddress("203.0.113.1");
const gateway6 = parseAddress("2001:db8:ffff::1");
const fixedMac = parseMac("02:00:00:00:00:99") as Mac;
let counter = 0;
const nextMac = () => parseMac(`02:00:00:00:01:${(++counter % 250).toString(16).padStart(2, "0")}`) as Mac;

const capabilities =
  (change: object): Mutation =>
  (driver) => ({ capabilities: { ...driver.capabilities, ...change } });
const joinAnswer = (change: object): Mutation => after("join", (answer) => ({ ...answer, ...change }));
const linkAnswer = (change: object): Mutation =>
  after("join", (answer) => ({ ...answer, link: { ...answer.link, ...change } }));
const cutAll = (machine: Machine) => void machine.cut.add("IPv4");
const linkOf = (machine: Machine, owner: string) => [...machine.links].find((link) => link.owner === owner);
const nothing = () => undefined;

/** Remembers ids that a method was called with. */
function remembering(work: (seen: Set<string>, driver: MemoryDriver, machine: Machine) => object): Mutation {
  return (driver, machine) => work(new Set<string>(), driver, machine);
}

const inSandbox: Mutation = after("join", (answer, { endpointId, sandboxKey }, _driver, machine) => {
  const link = linkOf(machine, endpointId);
  if (link) link.at = sandboxKey;
  return { ...answer, link: { ...answer.link, indexInSandbox: link?.index } };
});

const deletedStaysDeleted: Mutation = remembering((seen, driver) => ({
  deleteEndpoint: async (request: Parameters<MemoryDriver["deleteEndpoint"]>[0]) => {
    seen.add(request.endpointId);
    await driver.deleteEndpoint(request);
  },
  createEndpoint: async (request: Parameters<MemoryDriver["createEndpoint"]>[0]) => {
    if (seen.has(request.endpointId)) throw new Error("it was deleted");
    return await driver.createEndpoint(request);
  },
}));

/** What joins after somebody has gone is on no wire. */
const afterDeletionCut: Mutation = remembering((seen, driver, machine) => ({
  deleteEndpoint: async (request: Parameters<MemoryDriver["deleteEndpoint"]>[0]) => {
    seen.add("gone");
    await driver.deleteEndpoint(request);
  },
  join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
    if (seen.has("gone")) machine.cut.add(request.endpointId);
    return await driver.join(request);
  },
}));

const sweepsNothing: Mutation = () => ({ sweep: async () => undefined });
const unknownNetwork = (error: Error): Mutation =>
  before("createEndpoint", ({ networkId }, driver) => {
    if (!driver.networks.has(networkId)) throw error;
  });
const takesAnyNetwork: Mutation = instead("createEndpoint", (request) => request.interface);
const takesAnyEndpoint: Mutation = (driver) => ({
  join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
    const isKnown = driver.networks.get(request.networkId)?.endpoints.has(request.endpointId);
    return isKnown ? await driver.join(request) : { staticRoutes: [], disableGatewayService: true };
  },
});
const leakOnDelete = (kind: keyof Machine["listed"]): Mutation =>
  after("deleteNetwork", (_answer, _request, _driver, machine) => void machine.listed[kind].push("left"));

export const mutants: Readonly<Record<string, Mutation>> = {
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
    machine.addLink({ name: `made${++counter}`, owner: "host" });
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

  "endpoints/keep-address": after("createEndpoint", (answer) => ({ ...answer, address: other4 })),
  "endpoints/keep-ipv6-address": after("createEndpoint", (answer) => ({ ...answer, addressIpv6: other6 })),
  "endpoints/keep-mac": after("createEndpoint", (answer) => ({ ...answer, macAddress: fixedMac })),
  "endpoints/families": after("createEndpoint", (answer) => ({ ...answer, address: other6 })),
  "endpoints/mac-form": after("createEndpoint", (answer) => ({ ...answer, macAddress: "01:00:5E:00:00:01" })),
  "endpoints/macs-differ": after("createEndpoint", (answer) => ({ ...answer, macAddress: fixedMac })),
  "endpoints/create-twice": after("createEndpoint", (answer) => ({ ...answer, macAddress: nextMac() })),
  "endpoints/create-twice-makes-once": leaving("createEndpoint", ({ networkId, endpointId }, { networks }) =>
    Boolean(networks.get(networkId)?.endpoints.has(endpointId)),
  ),
  "endpoints/delete": leaving("createEndpoint"),
  "endpoints/delete-twice": once("deleteEndpoint"),
  "endpoints/delete-unknown": refusing(
    "deleteEndpoint",
    ({ networkId, endpointId }, { networks }) => !networks.get(networkId)?.endpoints.has(endpointId),
  ),
  "endpoints/again": deletedStaysDeleted,
  "endpoints/address-again": remembering((seen, driver) => ({
    createEndpoint: async (request: Parameters<MemoryDriver["createEndpoint"]>[0]) => {
      const address = `${request.interface.address?.address.value}`;
      if (seen.has(address)) throw new Error("the address is in use");
      seen.add(address);
      return await driver.createEndpoint(request);
    },
  })),
  "endpoints/unknown-network": takesAnyNetwork,
  "endpoints/deleted-network": takesAnyNetwork,
  "endpoints/one-family": refusing(
    "createEndpoint",
    ({ interface: own }) => !own.address || !own.addressIpv6,
  ),
  "endpoints/options": refusing("createEndpoint", ({ options }) => options.exposedPorts.length > 0),
  "endpoints/check": () => ({
    checkEndpoint: () => {
      throw invalid("no");
    },
  }),
  "endpoints/separate": after("deleteEndpoint", (_answer, { networkId }, _driver, machine) =>
    machine.removeOf(networkId),
  ),

  "join/link-name": linkAnswer({ srcName: "a-name-of-16-char" }),
  "join/link-prefix": linkAnswer({ dstPrefix: "fifteen-letters" }),
  "join/link-final-name": linkAnswer({ dstName: "eth/0" }),
  "join/link-is-there": linkAnswer({ srcName: "elsewhere" }),
  "join/mac-of-link": inSandbox,
  "join/user-mac": inSandbox,
  "join/one-link": after("join", (_answer, { sandboxKey }, _driver, machine) => {
    machine.addLink({ name: "another", owner: "host", at: sandboxKey });
  }),
  "join/links-differ": linkAnswer({ srcName: "same" }),
  "join/gateway": joinAnswer({ gateway: gateway4 }),
  "join/ipv6-gateway": joinAnswer({ gatewayIpv6: gateway6 }),
  "join/gateway-is-another": after("join", (answer, request, driver) => {
    const gateway = driver.endpoint(request).interface.address?.address;
    return { ...answer, gateway };
  }),
  "join/no-ipv6-gateway": joinAnswer({ gatewayIpv6: gateway6 }),
  "join/no-ipv4-gateway": joinAnswer({ gateway: gateway4 }),
  "join/routes": joinAnswer({ staticRoutes: [{ destination: other4 }] }),
  "join/next-hops": joinAnswer({
    staticRoutes: [{ destination: parsePrefix("203.0.113.0/24"), nextHop: gateway6 }],
  }),
  "join/flags": joinAnswer({ disableGatewayService: "no" }),
  "join/sysctls": joinAnswer({ sysctls: { "net.ipv4.ip_forward": "1" } }),
  "join/twice": once("join"),
  "join/unknown-endpoint": takesAnyEndpoint,
  "join/deleted-endpoint": takesAnyEndpoint,
  "join/leave": remembering((seen, driver, machine) => ({
    join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
      seen.add(request.sandboxKey);
      return await driver.join(request);
    },
    deleteEndpoint: async (request: Parameters<MemoryDriver["deleteEndpoint"]>[0]) => {
      await driver.deleteEndpoint(request);
      for (const at of seen) machine.addLink({ name: "left", owner: "host", at });
    },
  })),
  "join/leave-twice": once("leave"),
  "join/leave-unknown": refusing(
    "leave",
    ({ networkId, endpointId }, { networks }) => !networks.get(networkId)?.endpoints.get(endpointId)?.joined,
  ),
  "join/again": deletedStaysDeleted,
  "join/another-sandbox": remembering((seen, driver) => ({
    join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
      if (seen.has(request.endpointId) && !seen.has(request.sandboxKey)) throw new Error("another sandbox");
      seen.add(request.endpointId).add(request.sandboxKey);
      return await driver.join(request);
    },
  })),
  "join/two-networks": (driver, machine) => ({
    join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
      if (machine.linksAt(request.sandboxKey).length > 0) throw new Error("one network is enough");
      return await driver.join(request);
    },
  }),
  "join/sandbox-gone": leaving("deleteEndpoint", (request) => Reflect.get(request, "sandboxIsGone") === true),
  "join/link-aside": leaving("deleteEndpoint", (request) => Reflect.get(request, "linkIsAside") === true),
  "join/delete-without-leave": leaving("deleteEndpoint", ({ networkId, endpointId }, { networks }) =>
    Boolean(networks.get(networkId)?.endpoints.get(endpointId)?.joined),
  ),

  "reach/ipv4": after("join", (_answer, _request, _driver, machine) => cutAll(machine)),
  "reach/ipv6": after("join", (_answer, _request, _driver, machine) => void machine.cut.add("IPv6")),
  "reach/large": after("join", (_answer, _request, _driver, machine) => {
    machine.largest = 576;
  }),
  "reach/internal": after("join", (_answer, { networkId, endpointId }, driver, machine) => {
    if (driver.network(networkId).request.options.internal) machine.cut.add(endpointId);
  }),
  "reach/left": before("deleteEndpoint", ({ networkId, endpointId }, driver, machine) => {
    const own = driver.networks.get(networkId)?.endpoints.get(endpointId)?.interface.address?.address;
    const addresses = own ? [`198.18.${(own.value >> 8n) & 255n}.${own.value & 255n}`] : [];
    machine.addLink({ name: "ghost", owner: "host", network: networkId, at: "nobody", addresses });
  }),
  "reach/others-stay": after("deleteEndpoint", (_answer, _request, _driver, machine) => cutAll(machine)),
  "reach/newcomer": afterDeletionCut,
  "reach/address-moved": afterDeletionCut,
  "reach/many": after("join", (_answer, { networkId, endpointId }, driver, machine) => {
    if (driver.network(networkId).endpoints.size > 3) machine.cut.add(endpointId);
  }),
  "reach/deleted-neighbour-network": after("deleteNetwork", (_answer, _request, _driver, machine) =>
    cutAll(machine),
  ),

  "publish/answer": after("programExternalConnectivity", (answer) =>
    answer.map((port) => ({ ...port, hostPort: port.hostPort + 1 })),
  ),
  "publish/all": after("programExternalConnectivity", (answer) => answer.slice(0, 1)),
  "publish/chosen": after("programExternalConnectivity", (answer) =>
    answer.map((port) => ({ ...port, hostPort: 0 })),
  ),
  "publish/address": after("programExternalConnectivity", (answer) =>
    answer.map((port) => ({ ...port, hostAddress: gateway4 })),
  ),
  "publish/range": after("programExternalConnectivity", (answer) =>
    answer.map((port) => ({ ...port, hostPort: 18_090 })),
  ),
  "publish/protocols": refusing("programExternalConnectivity", ({ portBindings }) =>
    portBindings.some(({ protocol }) => protocol !== "tcp"),
  ),
  "publish/nothing": after("programExternalConnectivity", () => [
    { protocol: "tcp", containerPort: 1, hostAddress: gateway4, hostPort: 1 },
  ]),
  "publish/twice": once("programExternalConnectivity"),
  "publish/taken": instead("programExternalConnectivity", () => []),
  "publish/taken-leaves-others": failing("programExternalConnectivity", ({ endpointId }, _driver, machine) =>
    machine.ports.set("18085/tcp", endpointId),
  ),
  "publish/two-endpoints": instead("programExternalConnectivity", ({ portBindings }) =>
    portBindings.map(({ containerPort }) => ({
      protocol: "tcp",
      containerPort,
      hostAddress: gateway4,
      hostPort: 1,
    })),
  ),
  "publish/revoke": instead("revokeExternalConnectivity", nothing),
  "publish/revoke-twice": once("revokeExternalConnectivity"),
  "publish/delete": leaving("programExternalConnectivity"),
  "publish/links": leaving("setLinks"),

  "requests/create-network": writing("createNetwork"),
  "requests/delete-network": writing("deleteNetwork"),
  "requests/create-endpoint": writing("createEndpoint"),
  "requests/delete-endpoint": writing("deleteEndpoint"),
  "requests/join": writing("join"),
  "requests/leave": writing("leave"),
  "requests/publish": writing("programExternalConnectivity"),
  "requests/check-gateway": writing("checkGateway"),
  "requests/are-not-kept": (driver) => {
    const kept = new Map<string, object>();
    return {
      createEndpoint: async (request: Parameters<MemoryDriver["createEndpoint"]>[0]) => {
        await driver.createEndpoint(request);
        const own = kept.get(request.endpointId) ?? request.interface;
        kept.set(request.endpointId, own);
        return { ...own };
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
    (_request, driver) => driver.networks.size > 0 && ++counter % 3 === 0,
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
    machine.ports.set(`${++counter}/tcp`, networkId);
  }),
  "leaks/forwards": leakOnDelete("forwards"),
};
