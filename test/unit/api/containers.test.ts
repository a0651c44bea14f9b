// Containers on the wire: views to documents, and what is asked of those that are there.

import { expect, test } from "vitest";
import type { ContainerChanges, ContainerQuery } from "../../../src/engine/types.ts";
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
