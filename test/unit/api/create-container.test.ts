// Containers on the wire: requests to specs.

import { expect, test } from "vitest";
import { notFound } from "../../../src/util/errors.ts";
import { refusal, specOf } from "./container-requests.ts";
import { address, fakeEngine } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

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

test("a mode that clients list as a network is not one", async () => {
  const spec = await specOf({
    Image: "b",
    HostConfig: { NetworkMode: "container:c2" },
    NetworkingConfig: { EndpointsConfig: { "container:c2": {} } },
  });
  expect(spec.endpoints).toEqual([]);
});
