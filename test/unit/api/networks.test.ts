// Networks on the wire: requests to specs, views to documents.

import { expect, test } from "vitest";
import type { EndpointSpec, Filters, NetworkDetails, NetworkSpec } from "../../../src/engine/types.ts";
import { mac } from "../kernel/values.ts";
import { address, c1Id, fakeEngine, networkView, prefix, x1Id } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

async function specOf(body: object): Promise<NetworkSpec> {
  let spec: NetworkSpec | undefined;
  const create = async (given: NetworkSpec) => {
    spec = given;
    return { id: x1Id, warning: "" };
  };
  await using api = await ServedApi.create(fakeEngine({ networks: { create } }));
  const answer = await api.ask("POST", "/networks/create", { body });
  if (!spec) throw new Error(answer.text);
  expect(answer).toMatchObject({ status: 201, text: `{"Id":"${x1Id}","Warning":""}\n` });
  return spec;
}

test("what docker network create sends becomes a spec", async () => {
  const spec = await specOf({
    CheckDuplicate: true,
    Name: "x1",
    Driver: "bridge",
    EnableIPv6: true,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: [
        {
          Subnet: "192.0.2.0/24",
          IPRange: "192.0.2.128/25",
          Gateway: "192.0.2.254",
          AuxiliaryAddresses: { router: "192.0.2.9" },
        },
        { Subnet: "2001:db8::/64" },
      ],
    },
    Internal: true,
    Options: { "com.docker.network.bridge.name": "br-x1" },
    Labels: { l: "1" },
  });
  expect(spec).toEqual({
    name: "x1",
    driver: "bridge",
    enableIpv6: true,
    internal: true,
    attachable: false,
    ingress: false,
    configOnly: false,
    ipam: {
      driver: "default",
      options: {},
      pools: [
        {
          subnet: prefix("192.0.2.0/24"),
          range: prefix("192.0.2.128/25"),
          gateway: address("192.0.2.254"),
          auxiliaryAddresses: { router: address("192.0.2.9") },
        },
        { subnet: prefix("2001:db8::/64"), auxiliaryAddresses: {} },
      ],
    },
    options: { "com.docker.network.bridge.name": "br-x1" },
    labels: { l: "1" },
  });
});

test("the driver is bridge and the IPAM driver default unless said", async () => {
  expect(await specOf({ Name: "x1" })).toMatchObject({
    driver: "bridge",
    ipam: { driver: "default", pools: [] },
  });
});

test.each([
  [{}, "invalid network name: name is empty"],
  [
    { Name: "x", IPAM: { Config: [{ Subnet: "192.0.2.0" }] } },
    'invalid subnet: "192.0.2.0" is not an address with a prefix length',
  ],
  [
    { Name: "x", IPAM: { Config: [{ Subnet: "192.0.2.1/24" }] } },
    "invalid network config:\ninvalid subnet 192.0.2.1/24: it should be 192.0.2.0/24",
  ],
  [{ Name: "x", IPAM: { Config: [{ Gateway: "x" }] } }, 'invalid gateway: "x" is not an IP address'],
  [
    { Name: "x", Internal: 1 },
    "invalid JSON: json: cannot unmarshal number into Go struct field NetworkCreateRequest.Internal of type bool",
  ],
])("create refuses %j", async (body, message) => {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask("POST", "/networks/create", { body });
  expect(answer.status).toBe(400);
  expect(answer.json()).toEqual({ message });
});

const withMembers = networkView({
  members: [
    {
      containerId: c1Id,
      endpointId: "e1",
      name: "c1",
      ipv4: prefix("172.18.0.2/16"),
      ipv6: prefix("2001:db8::2/64"),
    },
    { endpointId: "e2", name: "gateway", ipv4: prefix("172.18.0.3/16") },
  ],
});

test("inspect shows the network and who is on it", async () => {
  const inspect = async () => withMembers;
  await using api = await ServedApi.create(fakeEngine({ networks: { inspect } }));
  expect((await api.ask("GET", "/networks/x1")).json()).toEqual({
    Name: "x1",
    Id: x1Id,
    Created: "2026-11-01T09:00:00.12Z",
    Scope: "local",
    Driver: "bridge",
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: [{ Subnet: "172.18.0.0/16", Gateway: "172.18.0.1" }],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {
      [c1Id]: {
        Name: "c1",
        EndpointID: "e1",
        MacAddress: "",
        IPv4Address: "172.18.0.2/16",
        IPv6Address: "2001:db8::2/64",
      },
      "ep-e2": {
        Name: "gateway",
        EndpointID: "e2",
        MacAddress: "",
        IPv4Address: "172.18.0.3/16",
        IPv6Address: "",
      },
    },
    Options: {},
    Labels: {},
    Status: {
      IPAM: { Subnets: { "172.18.0.0/16": { IPsInUse: 3, DynamicIPsAvailable: 65532 } } },
      Effective: { "com.docker.network.driver.mtu": "1500" },
    },
  });
});

test("counts of addresses stay within what a Go client reads into 64 bits", async () => {
  const pools = [{ subnet: prefix("2001:db8::/32"), inUse: 1n, available: 2n ** 96n }];
  const inspect = async () => networkView({ pools });
  await using api = await ServedApi.create(fakeEngine({ networks: { inspect } }));
  const { text } = await api.ask("GET", "/networks/x1");
  const count = /"DynamicIPsAvailable":(\d+)/.exec(text)?.[1] ?? "";
  expect(BigInt(count)).toBeLessThan(2n ** 64n);
  expect(BigInt(count)).toBeGreaterThan(2n ** 63n);
});

test("a verbose inspect asks for the kernel objects and shows them", async () => {
  const asked: unknown[] = [];
  const details: NetworkDetails = {
    links: [
      {
        role: "bridge",
        name: "br-x1",
        index: 7,
        mac: mac("02:00:00:00:00:01"),
        mtu: 1500,
        up: true,
        addresses: [prefix("172.18.0.1/16")],
      },
    ],
    rules: ["bridge br-x1: 172.18.0.0/16, icc"],
    endpoints: [
      {
        endpointId: "e1",
        containerId: c1Id,
        containerName: "c1",
        netnsPath: "/run/netns/c1",
        link: { name: "eth0", index: 2 },
        port: { role: "port", name: "veth1" },
        dnsNames: ["c1"],
        published: [
          { protocol: "tcp", containerPort: 80, hostAddress: address("0.0.0.0"), hostPort: 8080, count: 3 },
          { protocol: "udp", containerPort: 53, hostAddress: address("::"), hostPort: 53 },
          { protocol: "tcp", containerPort: 22, hostAddress: address("::"), hostPort: 0 },
        ],
        rules: ["guard veth1"],
      },
    ],
  };
  const inspect = async (_: string, options?: { isVerbose?: boolean }) => {
    asked.push(options);
    return networkView(options?.isVerbose ? { details } : {});
  };
  await using api = await ServedApi.create(fakeEngine({ networks: { inspect } }));
  expect((await api.ask("GET", "/networks/x1")).json()).not.toHaveProperty("Status.Kernel");
  expect((await api.ask("GET", "/networks/x1?verbose=true&scope=local")).json()).toHaveProperty(
    "Status.Kernel",
    {
      Links: [
        {
          Role: "bridge",
          Name: "br-x1",
          Index: 7,
          MacAddress: "02:00:00:00:00:01",
          MTU: 1500,
          Up: true,
          Addresses: ["172.18.0.1/16"],
        },
      ],
      Firewall: ["bridge br-x1: 172.18.0.0/16, icc"],
      Endpoints: {
        e1: {
          Container: c1Id,
          Name: "c1",
          SandboxKey: "/run/netns/c1",
          Interface: { Name: "eth0", Index: 2 },
          Port: { Role: "port", Name: "veth1" },
          DNSNames: ["c1"],
          Ports: ["0.0.0.0:8080-8082->80-82/tcp", "[::]:53->53/udp", "22/tcp"],
          Firewall: ["guard veth1"],
        },
      },
    },
  );
  expect(asked).toEqual([{ isVerbose: false }, { isVerbose: true, scope: "local" }]);
  expect((await api.ask("GET", "/networks/x1?verbose=x")).status).toBe(400);
});

test("the hosts that carry a cluster's network are shown as Docker does, and verbosely how packets get there", async () => {
  const peer = { nodeId: "ab".repeat(16), name: "host2", address: address("192.0.2.12") };
  const path = {
    ...({ nodeId: peer.nodeId, state: "narrow", roundTripMs: 0.5, mtu: 1350 } as const),
    trouble: "packets of 1450 bytes are lost",
  };
  const inspect = async (_: string, options?: { isVerbose?: boolean }) =>
    networkView({ peers: [options?.isVerbose ? { ...peer, path } : peer] });
  await using api = await ServedApi.create(fakeEngine({ networks: { inspect } }));
  const docker = { Name: "host2-abababababab", IP: "192.0.2.12" };
  expect((await api.ask("GET", "/networks/x1")).json()).toMatchObject({ Peers: [docker] });
  expect((await api.ask("GET", "/networks/x1?verbose=true")).json()).toMatchObject({
    Peers: [{ ...docker, Path: "narrow", RoundTripMs: 0.5, MTU: 1350, Trouble: path.trouble }],
  });
});

test("a list leaves the containers out, except for clients before 1.28", async () => {
  const list = async () => [withMembers];
  await using api = await ServedApi.create(fakeEngine({ networks: { list } }));
  expect((await api.ask("GET", "/v1.45/networks")).json()).toMatchObject([{ Containers: {} }]);
  const old = (await api.ask("GET", "/v1.27/networks")).json() as [{ Containers: object }];
  expect(Object.keys(old[0].Containers)).toEqual([c1Id, "ep-e2"]);
});

test("connect, disconnect and remove", async () => {
  const seen: unknown[] = [];
  const record = async (...given: unknown[]) => void seen.push(given);
  await using api = await ServedApi.create(
    fakeEngine({ networks: { connect: record, disconnect: record, remove: record } }),
  );
  const body = { Container: "c1", EndpointConfig: { Aliases: ["a"], Links: ["db:database"] } };
  expect(await api.ask("POST", "/networks/x1/connect", { body })).toMatchObject({ status: 200, text: "" });
  await api.ask("POST", "/networks/x1/connect", { body: { Container: "c1" } });
  const leaving = { Container: "c1", Force: true };
  expect((await api.ask("POST", "/networks/x1/disconnect", { body: leaving })).status).toBe(200);
  expect((await api.ask("DELETE", "/networks/x1")).status).toBe(204);
  const endpoint: EndpointSpec = {
    network: "x1",
    linkLocal: [],
    aliases: [],
    links: [],
    driverOptions: {},
    gatewayPriority: 0,
  };
  const linked = { ...endpoint, aliases: ["a"], links: [{ container: "db", alias: "database" }] };
  expect(seen).toEqual([["x1", "c1", linked], ["x1", "c1", endpoint], ["x1", "c1", { force: true }], ["x1"]]);
  expect((await api.ask("POST", "/networks/x1/connect", { body: {} })).status).toBe(400);
  const family = { Container: "c1", EndpointConfig: { IPAMConfig: { IPv4Address: "2001:db8::1" } } };
  expect((await api.ask("POST", "/networks/x1/connect", { body: family })).json()).toEqual({
    message: "invalid IPv4 address: 2001:db8::1",
  });
});

test("prune turns until into seconds, whatever its form", async () => {
  const seen: Filters[] = [];
  const prune = async (filters: Filters) => {
    seen.push(filters);
    return ["x1"];
  };
  await using api = await ServedApi.create(fakeEngine({ networks: { prune } }));
  const ask = (filters: object) =>
    api.ask("POST", `/networks/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`);
  expect((await ask({ until: ["2026-11-01T00:00:00Z"], "label!": ["keep"] })).json()).toEqual({
    NetworksDeleted: ["x1"],
  });
  expect([...(seen[0] ?? [])]).toEqual([
    ["until", [`${Date.UTC(2026, 10, 1) / 1000}`]],
    ["label!", ["keep"]],
  ]);
  expect((await ask({ until: ["soon"] })).status).toBe(400);
  expect((await ask({ name: ["x1"] })).json()).toEqual({ message: "invalid filter 'name'" });
});
