// The conformance suite of network drivers: what every driver promises, put to the test on a real kernel.
//
//   driverConformance("bridge", createBridgeDriver, { connects: true, … });

import { describe, expect, test } from "vitest";
import type {
  CreateNetworkRequest,
  EndpointInterface,
  JoinResponse,
  NetworkDriverFactory,
  PoolData,
} from "../../../src/driverapi/index.ts";
import { addAddress } from "../../../src/kernel/index.ts";
import { formatAddress, type Prefix } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { newId } from "../../../src/util/ids.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";
import type { LabHost } from "../../lab/lab.ts";
import "../../lab/matchers.ts";
import { Bench, type BenchSandbox } from "./harness.ts";

export interface DriverConformance {
  /** Endpoints have a link, and those of one network reach each other. */
  readonly connects: boolean;
  /** Endpoints can publish ports on the host. */
  readonly publishes?: boolean;
  /** Options without which there is no network of this driver on a lab host. */
  readonly networkOptions?: Readonly<Record<string, string>>;
  /** The host does not reach endpoints, but those on its wire do. */
  readonly isOnWire?: boolean;
  /** There is one such network and no other. */
  readonly predefinedOnly?: boolean;
  /** An option with a value that the driver must refuse. */
  readonly wrongOption?: Readonly<Record<string, string>>;
}

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

async function disconnect(bench: Bench, sandbox: BenchSandbox, { ref, response }: Joined): Promise<void> {
  await bench.driver.leave(ref);
  await sandbox.detach(response);
  await bench.driver.deleteEndpoint(ref);
}

/** Declares the suite's tests for one driver. */
export function driverConformance(
  name: string,
  factory: NetworkDriverFactory,
  options: DriverConformance,
): void {
  describe(`driver ${name}`, () => {
    test("says who it is", async () => {
      await using bench = await Bench.create(factory);
      const { name: own, capabilities } = bench.driver;
      expect(own).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(["local", "global"]).toContain(capabilities.scope);
      expect(["local", "global"]).toContain(capabilities.connectivityScope);
      expect(capabilities.predefinedOnly ?? false).toBe(options.predefinedOnly ?? false);
    });

    test("makes a network once however often it is asked, and deletes it as often", async () => {
      await using bench = await Bench.create(factory);
      const request = networkRequest(options.networkOptions);
      for (let round = 0; round < 2; round++) await bench.driver.createNetwork(request);
      for (let round = 0; round < 2; round++) await bench.driver.deleteNetwork(request);
      await bench.expectClean();
    });

    test("makes the same network again at once after it was deleted", async () => {
      await using bench = await Bench.create(factory);
      for (let round = 0; round < 3; round++) {
        const request = networkRequest(options.networkOptions);
        await bench.driver.createNetwork(request);
        await bench.driver.deleteNetwork(request);
      }
      await bench.expectClean();
    });

    test("deletes what never was without complaint", async () => {
      await using bench = await Bench.create(factory);
      const ref = { networkId: newId(), endpointId: newId() };
      await bench.driver.leave(ref);
      await bench.driver.revokeExternalConnectivity?.(ref);
      await bench.driver.deleteEndpoint(ref);
      await bench.driver.deleteNetwork(ref);
      await bench.expectClean();
    });

    test("fills in of an interface only what was empty, and the same each time", async () => {
      await using bench = await Bench.create(factory);
      const request = networkRequest(options.networkOptions);
      await bench.driver.createNetwork(request);
      const endpoint = {
        networkId: request.networkId,
        endpointId: newId(),
        interface: { ...ownAddresses(2) },
        options: noOptions,
      };
      const answer = await bench.driver.createEndpoint(endpoint);
      expect(answer).toMatchObject(ownAddresses(2));
      expect(await bench.driver.createEndpoint(endpoint)).toEqual(answer);
      await bench.driver.deleteEndpoint(endpoint);
      await bench.driver.deleteNetwork(request);
      await bench.expectClean();
    });

    test("gives a sandbox an endpoint and takes it away again, twice", async () => {
      await using bench = await Bench.create(factory);
      const request = networkRequest(options.networkOptions);
      await bench.driver.createNetwork(request);
      const sandbox = await bench.sandbox("s1");
      for (let round = 0; round < 2; round++) {
        const joined = await connect(bench, request.networkId, sandbox, 2);
        const links = (await sandbox.netlink.links()).filter(({ loopback }) => !loopback);
        expect(links).toHaveLength(joined.response.link ? 1 : 0);
        await disconnect(bench, sandbox, joined);
        await disconnect(bench, sandbox, joined);
        expect((await sandbox.netlink.links()).every(({ loopback }) => loopback)).toBe(true);
      }
      await bench.driver.deleteNetwork(request);
      await bench.expectClean();
    });

    test("leaves nothing of an endpoint whose sandbox is gone", async () => {
      await using bench = await Bench.create(factory);
      const request = networkRequest(options.networkOptions);
      await bench.driver.createNetwork(request);
      const sandbox = await bench.sandbox("s1");
      const { ref } = await connect(bench, request.networkId, sandbox, 2);
      await sandbox.remove();
      await bench.driver.leave(ref);
      const deleting = bench.driver.deleteEndpoint({ ...ref, sandboxIsGone: true });
      await bench.driver.settle?.();
      await deleting;
      await bench.driver.deleteNetwork(request);
      await bench.expectClean();
    });

    test("serves again after a crash what it is told, and sweeps the rest", async () => {
      await using bench = await Bench.create(factory);
      const [kept, lost] = [
        networkRequest(options.networkOptions),
        { ...networkRequest(options.networkOptions), ipv4Data: [], ipv6Data: [] },
      ];
      await bench.driver.createNetwork(kept);
      if (!options.predefinedOnly) {
        const noAddresses = { ...lost.options, enableIpv4: false, enableIpv6: false };
        await bench.driver.createNetwork({ ...lost, options: noAddresses });
      }
      const sandbox = await bench.sandbox("s1");
      const joined = await connect(bench, kept.networkId, sandbox, 2);
      await bench.restart(async (driver) => {
        if (!driver.capabilities.replay) return;
        await driver.createNetwork(kept);
        await driver.createEndpoint({ ...joined.ref, interface: joined.interface, options: noOptions });
      });
      const known = { networkIds: new Set([kept.networkId]), endpointIds: new Set([joined.ref.endpointId]) };
      await bench.driver.sweep?.(known);
      if (options.connects) {
        await using _ = await sandbox.listen("0.0.0.0", 80);
        await expect(await neighbour(bench, options)).toReach("172.18.0.2:80");
      }
      await disconnect(bench, sandbox, joined);
      await bench.driver.deleteNetwork(kept);
      await bench.expectClean();
    });

    if (options.predefinedOnly) {
      test("has one network and refuses another", async () => {
        await using bench = await Bench.create(factory);
        await bench.driver.createNetwork(networkRequest(options.networkOptions));
        const second = bench.driver.createNetwork(networkRequest(options.networkOptions));
        await expect(second).rejects.toSatisfy((error) => errorKind(error) === "forbidden");
      });
    }

    if (options.wrongOption) {
      test("refuses an option that it cannot read and leaves nothing behind", async () => {
        await using bench = await Bench.create(factory);
        const creating = bench.driver.createNetwork(
          networkRequest({ ...options.networkOptions, ...options.wrongOption }),
        );
        await expect(creating).rejects.toSatisfy((error) => errorKind(error) === "invalid");
        await bench.expectClean();
      });
    }

    test("leaves nothing when the kernel refuses any step of a network", async () => {
      await using bench = await Bench.create(factory);
      const request = networkRequest(options.networkOptions);
      // what a driver asks the kernel once is asked before
      await bench.driver.createNetwork(request);
      await bench.driver.deleteNetwork(request);
      await bench.driver.settle?.();
      bench.slipAt(undefined);
      await bench.driver.createNetwork(request);
      const { batches } = bench;
      await bench.driver.deleteNetwork(request);
      await bench.driver.settle?.();
      for (let batch = 1; batch <= batches; batch++) {
        bench.slipAt(batch);
        await expect(bench.driver.createNetwork(request), `batch ${batch}`).rejects.toThrow("slipped");
        bench.slipAt(undefined);
        await bench.expectClean();
      }
    });

    test("leaves nothing when the kernel refuses any step of an endpoint", async () => {
      await using bench = await Bench.create(factory);
      const request = networkRequest(options.networkOptions);
      await bench.driver.createNetwork(request);
      const sandbox = await bench.sandbox("s1");
      bench.slipAt(undefined);
      const joined = await joinAs(bench, request.networkId, sandbox, 2);
      const { batches } = bench;
      await disconnect(bench, sandbox, joined);
      for (let batch = 1; batch <= batches; batch++) {
        bench.slipAt(batch);
        await expect(joinAs(bench, request.networkId, sandbox, 2), `batch ${batch}`).rejects.toThrow(
          "slipped",
        );
        bench.slipAt(undefined);
        await bench.driver.deleteEndpoint(joined.ref);
        expect((await sandbox.netlink.links()).every(({ loopback }) => loopback)).toBe(true);
      }
      await bench.driver.deleteNetwork(request);
      await bench.expectClean();
    });

    if (options.connects) connectivityTests(factory, options);
    if (options.publishes) publishTests(factory, options);
  });
}

function connectivityTests(factory: NetworkDriverFactory, options: DriverConformance): void {
  test("lets endpoints of a network reach each other, over IPv4 and IPv6", async () => {
    await using bench = await Bench.create(factory);
    const request = networkRequest(options.networkOptions);
    await bench.driver.createNetwork(request);
    const [s1, s2] = [await bench.sandbox("s1"), await bench.sandbox("s2")];
    const first = await connect(bench, request.networkId, s1, 2);
    const second = await connect(bench, request.networkId, s2, 3);
    await using _v4 = await s2.listen("0.0.0.0", 80);
    await using _v6 = await s2.listen("::", 80);
    await expect(s1).toReach("172.18.0.3:80", { answer: "s2 172.18.0.2" });
    await expect(s1).toReach("[2001:db8:18::3]:80", { answer: "s2 2001:db8:18::2" });
    await disconnect(bench, s2, second);
    await expect(s1).not.toReach("172.18.0.3:80");
    await disconnect(bench, s1, first);
    await bench.driver.deleteNetwork(request);
    await bench.expectClean();
  });
}

function publishTests(factory: NetworkDriverFactory, options: DriverConformance): void {
  test("opens published ports to other hosts, closes them, and opens them again", async () => {
    await using bench = await Bench.create(factory);
    const request = networkRequest(options.networkOptions);
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
    await using bench = await Bench.create(factory);
    const request = networkRequest(options.networkOptions);
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
}

/** Who reaches the endpoints from outside: the host, or a machine on the wire with an address of the network. */
async function neighbour({ machine, peer }: Bench, { isOnWire }: DriverConformance): Promise<LabHost> {
  if (!isOnWire) return machine;
  const link = await peer.netlink.link("eth0");
  await peer.netlink.send(addAddress({ link: link?.index ?? 0, prefix: prefix("172.18.255.1/16") }));
  return peer;
}
