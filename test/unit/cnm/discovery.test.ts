// Whom a sandbox's resolver may ask, and whose word counts.

import { describe, expect, test } from "vitest";
import type { SandboxSpec } from "../../../src/cnm/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { address, defaultBridge, endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld } from "./fakes.ts";

const hostFiles = { hosts: "", resolvConf: "nameserver 192.0.2.53\n", resolvedConf: "" };
const [own, daemons] = [address("203.0.113.1"), address("203.0.113.9")];

async function world() {
  const made = await createFakeWorld({ defaultBridge, hostFiles });
  const resolverOf = ({ id }: { readonly id: string }) => made.resolvers.resolvers.get(id);
  const asked = (sandbox: { readonly id: string }) =>
    resolverOf(sandbox)?.upstreams.map(({ address, from }) => `${from} ${formatAddress(address)}`);
  const open = (spec: Partial<SandboxSpec>) => made.controller.createSandbox(sandboxSpec("web", spec));
  return { ...made, resolverOf, asked, open };
}

const withDns = (name: string, servers: string, more = {}) =>
  networkSpec(name, { options: { "tsdocker.dns": servers }, ...more });

describe("name servers come from", () => {
  test("the container, else its networks, else the daemon, else the host", async () => {
    const { controller, open, asked } = await world();
    await controller.createNetwork(withDns("x1", "198.51.100.1,198.51.100.2"));
    await controller.createNetwork(networkSpec("x2"));
    const on = (network: string, dns: SandboxSpec["dns"]) =>
      open({ dns, endpoints: [endpointSpec(network)] });
    const both = { servers: [own], fallbackServers: [daemons] };
    expect(asked(await on("x1", both))).toEqual(["sandbox 203.0.113.1"]);
    expect(asked(await on("x1", { fallbackServers: [daemons] }))).toEqual([
      "sandbox 198.51.100.1",
      "sandbox 198.51.100.2",
    ]);
    expect(asked(await on("x2", { fallbackServers: [daemons] }))).toEqual(["sandbox 203.0.113.9"]);
    expect(asked(await on("x2", {}))).toEqual(["host 192.0.2.53"]);
  });

  test("several networks in gateway order, each once, and follow them", async () => {
    const { controller, open, asked } = await world();
    await controller.createNetwork(withDns("a", "198.51.100.1,198.51.100.9"));
    await controller.createNetwork(withDns("b", "198.51.100.2,198.51.100.9"));
    const sandbox = await open({ endpoints: [endpointSpec("a")] });
    expect(asked(sandbox)).toEqual(["sandbox 198.51.100.1", "sandbox 198.51.100.9"]);
    await sandbox.connect({ ...endpointSpec("b"), gatewayPriority: 5 });
    expect(asked(sandbox)).toEqual(["sandbox 198.51.100.2", "sandbox 198.51.100.9", "sandbox 198.51.100.1"]);
    await sandbox.disconnect("a");
    expect(asked(sandbox)).toEqual(["sandbox 198.51.100.2", "sandbox 198.51.100.9"]);
  });
});

describe("on an internal network", () => {
  const inside = { ipam: { driver: "", pools: [{ subnet: "198.51.100.0/24", gateway: "198.51.100.1" }] } };
  const internal = (options: Record<string, string> = {}) => {
    const { ipam } = inside;
    const pools = ipam.pools.map(({ subnet, gateway }) => ({
      subnet: { address: address(subnet.replace("/24", "")), length: 24 },
      gateway: address(gateway),
      auxiliaryAddresses: {},
    }));
    return networkSpec("closed", { internal: true, options, ipam: { driver: "", pools } });
  };

  test("nobody outside is asked, whoever named him", async () => {
    const { controller, open, resolverOf } = await world();
    await controller.createNetwork(internal({ "tsdocker.dns": "203.0.113.7" }));
    for (const dns of [{}, { servers: [own] }, { fallbackServers: [daemons] }]) {
      const sandbox = await open({ dns, endpoints: [endpointSpec("closed")] });
      expect(resolverOf(sandbox)).toMatchObject({ upstreams: [], forwards: false });
    }
  });

  test("nor is the host at the gateway's address, who would ask on", async () => {
    const { controller, open, resolverOf } = await world();
    await controller.createNetwork(internal());
    const dns = { servers: [address("198.51.100.1")] };
    expect(resolverOf(await open({ dns, endpoints: [endpointSpec("closed")] }))?.forwards).toBe(false);
  });

  test("a server on the network itself, chosen by the user, is", async () => {
    const { controller, open, asked } = await world();
    await controller.createNetwork(internal());
    const dns = { servers: [address("198.51.100.53"), own] };
    expect(asked(await open({ dns, endpoints: [endpointSpec("closed")] }))).toEqual([
      "sandbox 198.51.100.53",
    ]);
  });

  test("a second network with a way out opens it, and taking that away closes it again", async () => {
    const { controller, open, resolverOf } = await world();
    await controller.createNetwork(internal());
    await controller.createNetwork(networkSpec("x1"));
    const sandbox = await open({ endpoints: [endpointSpec("closed")] });
    expect(resolverOf(sandbox)?.forwards).toBe(false);
    await sandbox.connect(endpointSpec("x1"));
    expect(resolverOf(sandbox)?.forwards).toBe(true);
    await sandbox.disconnect("x1");
    expect(resolverOf(sandbox)).toMatchObject({ upstreams: [], forwards: false });
  });
});
