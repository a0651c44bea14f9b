// Ports that the bridge driver publishes, from another host on the machine's wire: what the kit, which has one machine,
// does not see.

import { expect, test } from "vitest";
import createBridgeDriver from "../../../drivers/bridge/index.ts";
import type {
  CreateNetworkRequest,
  EndpointInterface,
  JoinResponse,
  PoolData,
} from "../../../src/driverapi/index.ts";
import { formatAddress, type Prefix } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { newId } from "../../../src/util/ids.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";
import "../../lab/matchers.ts";
import { Bench, type BenchSandbox } from "./harness.ts";

const subnets = { 4: ["172.18.0.0/16", "172.18.0.1"], 6: ["2001:db8:18::/64", "2001:db8:18::1"] } as const;

function poolData(family: 4 | 6): PoolData {
  const [subnet, gateway] = subnets[family];
  const pool = prefix(subnet);
  return {
    addressSpace: "LocalDefault",
    pool,
    gateway: { address: address(gateway), length: pool.length },
    auxAddresses: {},
  };
}

function networkRequest(generic: Readonly<Record<string, string>> = {}): CreateNetworkRequest {
  return {
    networkId: newId(),
    networkName: "x1",
    options: { enableIpv4: true, enableIpv6: true, internal: false, generic },
    ipv4Data: [poolData(4)],
    ipv6Data: [poolData(6)],
  };
}

const noOptions = { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} };

interface Joined {
  readonly ref: { readonly networkId: string; readonly endpointId: string };
  readonly interface: EndpointInterface;
  readonly response: JoinResponse;
}

function ownAddresses(host: number): { address: Prefix; addressIpv6: Prefix } {
  return { address: prefix(`172.18.0.${host}/16`), addressIpv6: prefix(`2001:db8:18::${host}/64`) };
}

async function joinAs(bench: Bench, networkId: string, sandbox: BenchSandbox, host: number): Promise<Joined> {
  const ref = { networkId, endpointId: sandbox.endpointId };
  const asked = ownAddresses(host);
  const answer = await bench.driver.createEndpoint({ ...ref, interface: asked, options: noOptions });
  const response = await bench.driver.join({
    ...ref,
    sandboxKey: sandbox.netns,
    freeIndex: 2,
    suggestedName: "eth0",
  });
  return { ref, interface: { ...asked, ...answer }, response };
}

async function connect(
  bench: Bench,
  networkId: string,
  sandbox: BenchSandbox,
  host: number,
): Promise<Joined> {
  const joined = await joinAs(bench, networkId, sandbox, host);
  await sandbox.attach(bench.machine.netlink, joined.response, joined.interface);
  return joined;
}

test("opens published ports to other hosts, closes them, and opens them again", async () => {
  await using bench = await Bench.create(createBridgeDriver);
  const request = networkRequest();
  await bench.driver.createNetwork(request);
  const sandbox = await bench.sandbox("s1");
  const { ref } = await connect(bench, request.networkId, sandbox, 2);
  await using _v4 = await sandbox.listen("0.0.0.0", 80);
  await using _v6 = await sandbox.listen("::", 80);
  for (let round = 0; round < 2; round++) {
    const published = await bench.driver.programExternalConnectivity?.({
      ...ref,
      gateways: { ipv4: true, ipv6: true },
      ipv6Elsewhere: false,
      exposedPorts: [],
      portBindings: [{ protocol: "tcp", containerPort: 80 }],
    });
    const ports = new Set(published?.map(({ hostPort }) => hostPort));
    expect(ports.size).toBe(1);
    const [port] = ports;
    expect(published?.map(({ hostAddress }) => formatAddress(hostAddress))).toEqual(["0.0.0.0", "::"]);
    await expect(bench.peer).toReach(`192.0.2.1:${port}`, { answer: "s1 192.0.2.2" });
    await expect(bench.peer).toReach(`[2001:db8:2::1]:${port}`, { answer: "s1 2001:db8:2::2" });
    for (let again = 0; again < 2; again++) await bench.driver.revokeExternalConnectivity?.(ref);
    await expect(bench.peer).not.toReach(`192.0.2.1:${port}`);
    await expect(bench.peer).not.toReach(`[2001:db8:2::1]:${port}`);
  }
  await bench.driver.leave(ref);
  await bench.driver.deleteEndpoint(ref);
  await bench.driver.deleteNetwork(request);
  await bench.expectClean();
});

test("refuses a host port that is taken, and opens none of the others", async () => {
  await using bench = await Bench.create(createBridgeDriver);
  const request = networkRequest();
  await bench.driver.createNetwork(request);
  const sandbox = await bench.sandbox("s1");
  const { ref } = await connect(bench, request.networkId, sandbox, 2);
  await using _taken = await bench.machine.listen("0.0.0.0", 8081);
  const binding = (port: number) => ({
    protocol: "tcp" as const,
    containerPort: port,
    hostPorts: { first: port, last: port },
  });
  const publishing = bench.driver.programExternalConnectivity?.({
    ...ref,
    gateways: { ipv4: true, ipv6: true },
    ipv6Elsewhere: false,
    exposedPorts: [],
    portBindings: [binding(8080), binding(8081)],
  });
  await expect(publishing).rejects.toSatisfy((error) => errorKind(error) === "conflict");
  await using free = await bench.machine.listen("0.0.0.0", 8080);
  expect(free.port).toBe(8080);
  await bench.driver.leave(ref);
  await bench.driver.deleteEndpoint(ref);
  await bench.driver.deleteNetwork(request);
  await bench.expectClean();
});
