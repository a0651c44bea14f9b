// Containers on the wire: requests to specs, views to documents.

import { expect, test } from "vitest";
import type { ContainerChanges, ContainerQuery, ContainerSpec } from "../../../src/engine/types.ts";
import { notFound } from "../../../src/util/errors.ts";
import {
  address,
  c1Id,
  containerSpec,
  containerView,
  endpointView,
  fakeEngine,
  imageId,
  x1Id,
} from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

async function specOf(body: object, path = "/containers/create?name=c1"): Promise<ContainerSpec> {
  let spec: ContainerSpec | undefined;
  const create = async (given: ContainerSpec) => {
    spec = given;
    return { id: c1Id, warnings: ["careful"] };
  };
  await using api = await ServedApi.create(fakeEngine({ containers: { create } }));
  const answer = await api.ask("POST", path, { body });
  if (!spec) throw new Error(answer.text);
  expect(answer).toMatchObject({ status: 201 });
  expect(answer.json()).toEqual({ Id: c1Id, Warnings: ["careful"] });
  return spec;
}

async function refusal(body: object, path = "/containers/create"): Promise<string> {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask("POST", path, { body });
  expect(answer.status).toBe(400);
  return (answer.json() as { message: string }).message;
}

test("what docker run sends becomes a spec", async () => {
  const spec = await specOf({
    Image: "nginx",
    Cmd: ["nginx", "-g", "daemon off;"],
    Env: ["A=1"],
    Labels: { l: "1" },
    ExposedPorts: { "443/tcp": {} },
    HostConfig: {
      NetworkMode: "x1",
      PortBindings: {
        "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }],
        "53/udp": [{ HostIp: "", HostPort: "" }],
      },
      RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 },
      Memory: 64 * 1024 * 1024,
      Dns: ["192.0.2.53", "2001:db8::53"],
      ExtraHosts: ["db:192.0.2.7", "gw=host-gateway", "six:[2001:db8::7]"],
      ConsoleSize: [24, 80],
    },
    NetworkingConfig: {
      EndpointsConfig: {
        x1: {
          IPAMConfig: { IPv4Address: "172.18.0.9" },
          Aliases: ["web"],
          MacAddress: "02-42-AC-12-00-09",
          GwPriority: 2,
        },
      },
    },
  });
  expect(spec).toMatchObject({
    name: "c1",
    image: "nginx",
    command: ["nginx", "-g", "daemon off;"],
    env: ["A=1"],
    labels: { l: "1" },
    networkMode: { kind: "network", network: "x1" },
    exposedPorts: [
      { protocol: "tcp", range: { first: 443, last: 443 } },
      { protocol: "tcp", range: { first: 80, last: 80 } },
      { protocol: "udp", range: { first: 53, last: 53 } },
    ],
    portBindings: [
      {
        protocol: "tcp",
        containerPort: 80,
        hostAddress: address("127.0.0.1"),
        hostPorts: { first: 8080, last: 8080 },
      },
      { protocol: "udp", containerPort: 53 },
    ],
    restartPolicy: { name: "on-failure", maximumRetryCount: 3 },
    resources: { memoryBytes: 67108864 },
    dns: [address("192.0.2.53"), address("2001:db8::53")],
    extraHosts: [
      { name: "db", address: address("192.0.2.7") },
      { name: "gw", address: "host-gateway" },
      { name: "six", address: address("2001:db8::7") },
    ],
    consoleSize: { width: 80, height: 24 },
    endpoints: [
      {
        network: "x1",
        ipv4: address("172.18.0.9"),
        aliases: ["web"],
        mac: "02:42:ac:12:00:09",
        gatewayPriority: 2,
      },
    ],
  });
  expect(spec.entrypoint).toBeUndefined();
  expect(spec.given.hostConfig).toMatchObject({ NetworkMode: "x1" });
});

test("the smallest request is the default network", async () => {
  const spec = await specOf({ Image: "busybox" });
  expect(spec.networkMode).toEqual({ kind: "default" });
  expect(spec.endpoints.map(({ network }) => network)).toEqual(["bridge"]);
  expect(spec.command).toBeUndefined();
  expect(spec.resources).toEqual({});
});

test.each([
  ["default", { kind: "default" }, ["bridge"]],
  ["bridge", { kind: "network", network: "bridge" }, ["bridge"]],
  ["none", { kind: "none" }, []],
  ["host", { kind: "host" }, []],
  ["container:c2", { kind: "container", container: "c2" }, []],
  ["x1", { kind: "network", network: "x1" }, ["x1"]],
])("network mode %s", async (NetworkMode, networkMode, networks) => {
  const spec = await specOf({ Image: "busybox", HostConfig: { NetworkMode } });
  expect(spec.networkMode).toEqual(networkMode);
  expect(spec.endpoints.map(({ network }) => network)).toEqual(networks);
});

test("networks keep their order behind the mode's own, listed or not", async () => {
  const order = async (NetworkMode: string, EndpointsConfig: object) => {
    const spec = await specOf({
      Image: "busybox",
      HostConfig: { NetworkMode },
      NetworkingConfig: { EndpointsConfig },
    });
    return spec.endpoints.map(({ network }) => network);
  };
  expect(await order("x1", { x2: {}, x1: null })).toEqual(["x1", "x2"]);
  expect(await order("x1", { x2: {}, x3: {} })).toEqual(["x1", "x2", "x3"]);
  expect(await order("default", { default: { Aliases: [] } })).toEqual(["bridge"]);
});

test("before 1.44 a container is created on one network", async () => {
  const body = { Image: "busybox", NetworkingConfig: { EndpointsConfig: { x1: {}, x2: {} } } };
  expect(await refusal(body, "/v1.43/containers/create")).toBe(
    "Container cannot be connected to network endpoints: x1, x2",
  );
});

test("a container-wide MAC address is the main endpoint's", async () => {
  const spec = await specOf({
    Image: "busybox",
    MacAddress: "02:42:00:00:00:01",
    HostConfig: { NetworkMode: "x1" },
  });
  expect(spec.endpoints[0]).toMatchObject({ network: "x1", mac: "02:42:00:00:00:01" });
});

test("links are the endpoint's on a user network and the container's on the default one", async () => {
  const onUser = await specOf({ Image: "b", HostConfig: { NetworkMode: "x1", Links: ["db:database"] } });
  expect(onUser.links).toEqual([]);
  expect(onUser.endpoints[0]?.links).toEqual([{ container: "db", alias: "database" }]);
  const twice = await specOf({
    Image: "b",
    HostConfig: { NetworkMode: "x1", Links: ["db:database"] },
    NetworkingConfig: { EndpointsConfig: { x1: { Links: ["db:database", "db:mate"] } } },
  });
  expect(twice.endpoints[0]?.links).toEqual([
    { container: "db", alias: "database" },
    { container: "db", alias: "mate" },
  ]);
  const onDefault = await specOf({ Image: "b", HostConfig: { Links: ["/db:/c1/database", "web"] } });
  expect(onDefault.links).toEqual([
    { container: "db", alias: "database" },
    { container: "web", alias: "web" },
  ]);
});

test("a range is published on a range of the same size, or looks for a free port", async () => {
  const spec = await specOf({
    Image: "b",
    HostConfig: {
      PortBindings: {
        "7000-7001/tcp": [{ HostPort: "8000-8001" }],
        "80/tcp": [{ HostPort: "9000-9010" }],
      },
    },
  });
  expect(spec.portBindings).toEqual([
    { protocol: "tcp", containerPort: 7000, count: 2, hostPorts: { first: 8000, last: 8001 } },
    { protocol: "tcp", containerPort: 80, hostPorts: { first: 9000, last: 9010 } },
  ]);
});

test("binds, mounts, tmpfs and volumes become mounts", async () => {
  const spec = await specOf({
    Image: "b",
    Volumes: { "/anonymous": {}, "/data": {} },
    HostConfig: {
      Binds: ["/srv//a:/a/:ro,rshared", "data:/data:nocopy", "/plain:/plain"],
      Mounts: [
        { Type: "bind", Source: "/b", Target: "/b", ReadOnly: true },
        { Type: "volume", Source: "v", Target: "/v", VolumeOptions: { NoCopy: true } },
        { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1024, Mode: 0o1777 } },
      ],
      Tmpfs: { "/run": "rw,size=1m" },
    },
  });
  const volume = { kind: "volume", readOnly: false, noCopy: false, driverOptions: {}, labels: {} };
  const bind = { kind: "bind", readOnly: false, createSource: true, nonRecursive: false };
  expect(spec.mounts).toEqual([
    { ...bind, source: "/srv/a", target: "/a", readOnly: true, propagation: "rshared", mode: "ro,rshared" },
    { ...volume, name: "data", target: "/data", noCopy: true, mode: "nocopy" },
    { ...bind, source: "/plain", target: "/plain" },
    { ...bind, source: "/b", target: "/b", readOnly: true, createSource: false },
    { ...volume, name: "v", target: "/v", noCopy: true },
    { kind: "tmpfs", target: "/t", readOnly: false, options: ["size=1024", "mode=1777"] },
    { kind: "tmpfs", target: "/run", readOnly: false, options: ["rw", "size=1m"] },
    { ...volume, target: "/anonymous" },
  ]);
});

test('an entrypoint of [""] takes the image\'s away', async () => {
  expect((await specOf({ Image: "b", Entrypoint: [""] })).entrypoint).toEqual([]);
  expect((await specOf({ Image: "b", Entrypoint: "sh" })).entrypoint).toEqual(["sh"]);
  expect((await specOf({ Image: "b", Entrypoint: null })).entrypoint).toBeUndefined();
});

test.each([
  [{ HostConfig: { PortBindings: { "80/icmp": [{}] } } }, 'invalid port "80/icmp": invalid proto: icmp'],
  [{ HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "x" }] } } }, 'invalid port specification: "x"'],
  [{ HostConfig: { PortBindings: { "99999/tcp": [{}] } } }, 'invalid port specification: "99999/tcp"'],
  [
    { HostConfig: { PortBindings: { "1-3/tcp": [{ HostPort: "1-2" }] } } },
    "invalid ranges specified for container and host Ports: 1-3/tcp and 1-2",
  ],
  [
    { HostConfig: { PortBindings: { "80/tcp": [{ HostIp: "300.1.1.1" }] } } },
    'invalid host address: "300.1.1.1" is not an IP address',
  ],
  [{ HostConfig: { Dns: ["x"] } }, 'invalid DNS server: "x" is not an IP address'],
  [{ HostConfig: { ExtraHosts: ["x"] } }, 'bad format for add-host: "x"'],
  [{ HostConfig: { Links: ["a:b:c"] } }, "bad format for links: a:b:c"],
  [
    { HostConfig: { NetworkMode: "container:" } },
    "invalid container network mode: container name or ID must not be empty",
  ],
  [
    { MacAddress: "02:42:00:00:00:01", HostConfig: { NetworkMode: "container:c1" } },
    "conflicting options: mac-address and the network mode",
  ],
  [{ HostConfig: { Memory: 1024 } }, "Minimum memory limit allowed is 6MB"],
  [
    { HostConfig: { NanoCpus: 1e9, CpuPeriod: 100_000 } },
    "Conflicting options: Nano CPUs and CPU Period cannot both be set",
  ],
  [{ HostConfig: { Binds: ["a:b:c:d"] } }, "invalid volume specification: 'a:b:c:d'"],
  [
    { HostConfig: { Binds: ["/a:b"] } },
    "invalid volume specification: '/a:b': invalid mount path: 'b' mount path must be absolute",
  ],
  [{ HostConfig: { Binds: ["/a:/"] } }, "invalid volume specification: '/a:/': destination can't be '/'"],
  [{ HostConfig: { Binds: ["/a:/b:ro,rw"] } }, "invalid mode: ro,rw"],
  [{ HostConfig: { Binds: ["/a:/b", "/c:/b/"] } }, "Duplicate mount point: /b"],
  [
    { HostConfig: { Mounts: [{ Type: "odd", Target: "/x" }] } },
    'invalid mount config for type "odd": mount type unknown',
  ],
  [
    { HostConfig: { Mounts: [{ Type: "bind", Target: "/x" }] } },
    'invalid mount config for type "bind": field Source must not be empty',
  ],
  [
    { HostConfig: { RestartPolicy: { Name: "often" } } },
    "invalid restart policy: unknown policy 'often'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
  [
    { HostConfig: { AutoRemove: true, RestartPolicy: { Name: "always" } } },
    "can't create 'AutoRemove' container with restart policy",
  ],
  [{ WorkingDir: "x" }, "the working directory 'x' is invalid, it needs to be an absolute path"],
  [{ Env: ["=x"] }, "invalid environment variable: =x"],
  [
    { Tty: "yes" },
    "invalid JSON: json: cannot unmarshal string into Go struct field CreateRequest.Tty of type bool",
  ],
  [
    { HostConfig: { Memory: "1g" } },
    "invalid JSON: json: cannot unmarshal string into Go struct field CreateRequest.HostConfig.Memory of type int64",
  ],
])("create refuses %j", async (body, message) => {
  expect(await refusal({ Image: "b", ...body })).toBe(message);
});

test("create refuses a bad name and no body at all", async () => {
  expect(await refusal({ Image: "b" }, "/containers/create?name=-x")).toBe(
    "Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
  );
  await using api = await ServedApi.create(fakeEngine());
  expect((await api.ask("POST", "/containers/create")).json()).toEqual({
    message: "config cannot be empty in order to create a container",
  });
});

test("a missing image is not found, in the words that the CLI pulls on", async () => {
  const create = () => Promise.reject(notFound("No such image: nginx:latest"));
  await using api = await ServedApi.create(fakeEngine({ containers: { create } }));
  const answer = await api.ask("POST", "/containers/create", { body: { Image: "nginx" } });
  expect(answer).toMatchObject({ status: 404, text: '{"message":"No such image: nginx:latest"}\n' });
});

const published = containerView({
  spec: containerSpec({
    exposedPorts: [
      { protocol: "tcp", range: { first: 80, last: 80 } },
      { protocol: "tcp", range: { first: 443, last: 443 } },
    ],
    command: ["nginx"],
    labels: { l: "1" },
  }),
  network: {
    sandboxId: "5b",
    sandboxKey: "/run/netns/5b",
    endpoints: [endpointView()],
    publishedPorts: [
      { protocol: "tcp", containerPort: 80, hostAddress: address("0.0.0.0"), hostPort: 8080 },
      { protocol: "tcp", containerPort: 80, hostAddress: address("::"), hostPort: 8080 },
    ],
  },
});

test("a list shows rows as docker ps reads them", async () => {
  const asked: ContainerQuery[] = [];
  const list = async (query: ContainerQuery) => {
    asked.push(query);
    return [published];
  };
  await using api = await ServedApi.create(fakeEngine({ containers: { list } }));
  const filters = encodeURIComponent('{"label":["l=1"],"status":{"running":true}}');
  const answer = await api.ask("GET", `/v1.44/containers/json?all=1&limit=3&filters=${filters}`);
  expect(asked[0]).toMatchObject({ all: true, limit: 3, size: false });
  expect(asked[0]?.filters.get("label")).toEqual(["l=1"]);
  expect(answer.json()).toMatchObject([
    {
      Id: c1Id,
      Names: ["/c1"],
      Image: "nginx",
      ImageID: imageId,
      Command: "nginx -g 'daemon off;'",
      Created: Date.UTC(2026, 10, 1, 10) / 1000,
      Ports: [
        { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
        { IP: "::", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
        { PrivatePort: 443, Type: "tcp" },
      ],
      Labels: { l: "1" },
      State: "running",
      HostConfig: { NetworkMode: "x1" },
      NetworkSettings: { Networks: { x1: { IPAddress: "172.18.0.2", NetworkID: x1Id } } },
      Mounts: [],
    },
  ]);
  const refused = await api.ask(
    "GET",
    `/containers/json?filters=${encodeURIComponent('{"status":["odd"]}')}`,
  );
  expect(refused.json()).toEqual({ message: "invalid filter 'status=odd'" });
});

test("inspect shows what was given, what the engine filled in, and Docker's defaults", async () => {
  const inspect = async () => published;
  await using api = await ServedApi.create(fakeEngine({ containers: { inspect } }));
  const answer = (await api.ask("GET", "/v1.45/containers/c1/json")).json();
  expect(answer).toMatchObject({
    Id: c1Id,
    Name: "/c1",
    Created: "2026-11-01T10:00:00Z",
    Path: "nginx",
    Args: ["-g", "daemon off;"],
    State: {
      Status: "running",
      Running: true,
      Pid: 4711,
      StartedAt: "2026-11-01T10:00:01Z",
      FinishedAt: "0001-01-01T00:00:00Z",
    },
    Config: { Image: "nginx", Cmd: ["nginx"], Entrypoint: null, Volumes: null, Env: ["PATH=/bin"] },
    HostConfig: { NetworkMode: "x1", Binds: null, ShmSize: 67108864, RestartPolicy: { Name: "no" } },
    NetworkSettings: {
      SandboxKey: "/run/netns/5b",
      Ports: {
        "80/tcp": [
          { HostIp: "0.0.0.0", HostPort: "8080" },
          { HostIp: "::", HostPort: "8080" },
        ],
        "443/tcp": null,
      },
      Networks: {
        x1: {
          IPAMConfig: null,
          Links: null,
          Aliases: null,
          MacAddress: "02:42:ac:12:00:02",
          Gateway: "172.18.0.1",
          IPAddress: "172.18.0.2",
          IPPrefixLen: 16,
          DNSNames: ["c1", c1Id.slice(0, 12)],
        },
      },
    },
  });
});

test("older clients find the short id among the aliases and no DNS names", async () => {
  const inspect = async () => published;
  await using api = await ServedApi.create(fakeEngine({ containers: { inspect } }));
  const answer = (await api.ask("GET", "/v1.43/containers/c1/json")).json() as {
    NetworkSettings: { Networks: { x1: object } };
  };
  expect(answer.NetworkSettings.Networks.x1).toMatchObject({ Aliases: [c1Id.slice(0, 12)] });
  expect(answer.NetworkSettings.Networks.x1).not.toHaveProperty("DNSNames");
});

test("a container on the default bridge shows its address at the top too", async () => {
  const endpoints = [endpointView({ networkName: "bridge" })];
  const inspect = async () => containerView({ network: { ...published.network, endpoints } });
  await using api = await ServedApi.create(fakeEngine({ containers: { inspect } }));
  expect((await api.ask("GET", "/containers/c1/json")).json()).toMatchObject({
    NetworkSettings: { IPAddress: "172.18.0.2", Gateway: "172.18.0.1", MacAddress: "02:42:ac:12:00:02" },
  });
});

test("actions pass their parameters and answer without a body", async () => {
  const seen: unknown[] = [];
  const record = async (...given: unknown[]) => void seen.push(given);
  await using api = await ServedApi.create(
    fakeEngine({
      containers: {
        start: record,
        stop: record,
        restart: record,
        kill: record,
        pause: record,
        unpause: record,
        rename: record,
        resize: record,
        remove: record,
      },
    }),
  );
  const asks = [
    ["POST", "/containers/c1/start", 204],
    ["POST", "/containers/c1/stop?t=-1&signal=INT", 204],
    ["POST", "/containers/c1/stop", 204],
    ["POST", "/containers/c1/restart?t=3", 204],
    ["POST", "/containers/c1/kill", 204],
    ["POST", "/containers/c1/pause", 204],
    ["POST", "/containers/c1/unpause", 204],
    ["POST", "/containers/c1/rename?name=/c2", 204],
    ["POST", "/containers/c1/resize?h=24&w=80", 200],
    ["DELETE", "/containers/c1?force=1&v=true", 204],
  ] as const;
  for (const [method, path, status] of asks)
    expect(await api.ask(method, path), path).toMatchObject({ status, text: "" });
  expect(seen).toEqual([
    ["c1"],
    ["c1", { signal: "INT", timeoutSeconds: -1 }],
    ["c1", {}],
    ["c1", { timeoutSeconds: 3 }],
    ["c1", "SIGKILL"],
    ["c1"],
    ["c1"],
    ["c1", "c2"],
    ["c1", { width: 80, height: 24 }],
    ["c1", { force: true, volumes: true, link: false }],
  ]);
  expect((await api.ask("POST", "/containers/c1/stop?t=soon")).status).toBe(400);
  expect((await api.ask("POST", "/containers/c1/resize?h=24")).status).toBe(400);
});

test("update passes only what changes", async () => {
  const seen: ContainerChanges[] = [];
  const update = async (_ref: string, changes: ContainerChanges) => {
    seen.push(changes);
    return { warnings: [] };
  };
  await using api = await ServedApi.create(fakeEngine({ containers: { update } }));
  const body = { Memory: 0, CpuShares: 512, RestartPolicy: { Name: "always" } };
  const answer = await api.ask("POST", "/containers/c1/update", { body });
  expect(answer.json()).toEqual({ Warnings: [] });
  expect(seen).toEqual([
    {
      resources: { cpuShares: 512 },
      restartPolicy: { name: "always", maximumRetryCount: 0 },
      given: body,
    },
  ]);
});

test("a mode that clients list as a network is not one", async () => {
  const spec = await specOf({
    Image: "b",
    HostConfig: { NetworkMode: "container:c2" },
    NetworkingConfig: { EndpointsConfig: { "container:c2": {} } },
  });
  expect(spec.endpoints).toEqual([]);
});
