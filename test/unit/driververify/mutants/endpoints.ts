// A mutant for each check of endpoints: their life, their links, their ports.

import { type Prefix, parseAddress, parsePrefix } from "../../../../src/netip/index.ts";
import { invalid } from "../../../../src/util/errors.ts";
import { after, before, failing, instead, leaving, type Mutation, once, refusing } from "../breaking.ts";
import type { MemoryDriver } from "../memory-driver.ts";
import { cutAll, fixedMac, gateway4, linkOf, nextMac, nothing, remembering } from "./shared.ts";

const other4 = parsePrefix("203.0.113.9/24") as Prefix;

const other6 = parsePrefix("2001:db8:ffff::9/64") as Prefix;

const gateway6 = parseAddress("2001:db8:ffff::1");

const joinAnswer = (change: object): Mutation => after("join", (answer) => ({ ...answer, ...change }));

const linkAnswer = (change: object): Mutation =>
  after("join", (answer) => ({ ...answer, link: { ...answer.link, ...change } }));

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

const takesAnyNetwork: Mutation = instead("createEndpoint", (request) => request.interface);

const takesAnyEndpoint: Mutation = (driver) => ({
  join: async (request: Parameters<MemoryDriver["join"]>[0]) => {
    const isKnown = driver.networks.get(request.networkId)?.endpoints.has(request.endpointId);
    return isKnown ? await driver.join(request) : { staticRoutes: [], disableGatewayService: true };
  },
});

export const endpointMutants: Readonly<Record<string, Mutation>> = {
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
};
