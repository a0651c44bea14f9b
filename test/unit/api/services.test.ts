// Services of networks on the wire.

import { expect, test } from "vitest";
import type { Filters, PublishedPortRef, PublishedService, ServiceView } from "../../../src/engine/types.ts";
import { conflict, notFound } from "../../../src/util/errors.ts";
import { address, fakeEngine, networkView, x1Id } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

const web: ServiceView = {
  networkId: x1Id,
  networkName: "x1",
  name: "web",
  vips: [address("10.0.0.5"), address("fd00::5")],
  published: [{ protocol: "tcp", publishedPort: 8080, targetPort: 80 }],
  backends: [
    {
      endpointId: "e1",
      node: "b2",
      nodeName: "host2",
      containerName: "web1",
      addresses: [address("10.0.0.7")],
      isReady: true,
      isLocal: false,
    },
  ],
  closed: [{ node: "a1", nodeName: "host1", protocol: "tcp", publishedPort: 8080, reason: "port is in use" }],
};

const wire = {
  Name: "web",
  NetworkID: x1Id,
  NetworkName: "x1",
  VIPs: ["10.0.0.5", "fd00::5"],
  Ports: [{ Protocol: "tcp", PublishedPort: 8080, TargetPort: 80 }],
  Endpoints: [
    {
      EndpointID: "e1",
      Name: "web1",
      NodeID: "b2",
      NodeName: "host2",
      Addresses: ["10.0.0.7"],
      Ready: true,
      Local: false,
    },
  ],
  Closed: [
    { NodeID: "a1", NodeName: "host1", Protocol: "tcp", PublishedPort: 8080, Reason: "port is in use" },
  ],
};

test("services are listed and shown", async () => {
  const asked: [string, Filters][] = [];
  const list = async (network: string, filters: Filters) => {
    asked.push([network, filters]);
    return [web];
  };
  const inspect = async () => web;
  await using api = await ServedApi.create(fakeEngine({ services: { list, inspect } }));
  const filters = encodeURIComponent('{"name":["we"],"ready":["true"]}');
  const answer = await api.ask("GET", `/v1.50/networks/x1/services?filters=${filters}`);
  expect([answer.status, answer.json()]).toEqual([200, [wire]]);
  expect(asked).toEqual([
    [
      "x1",
      new Map([
        ["name", ["we"]],
        ["ready", ["true"]],
      ]),
    ],
  ]);
  expect((await api.ask("GET", "/networks/x1/services/web")).json()).toEqual(wire);
});

test.each([
  ["%7B%22colour%22%3A%5B%22red%22%5D%7D", "invalid filter 'colour'"],
  ["%7B%22ready%22%3A%5B%22maybe%22%5D%7D", "invalid filter 'ready=maybe'"],
])("filters that are none are refused: %s", async (filters, message) => {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask("GET", `/networks/x1/services?filters=${filters}`);
  expect([answer.status, answer.json()]).toEqual([400, { message }]);
});

test("ports are published and unpublished", async () => {
  const asked: unknown[] = [];
  const note = async (...given: [string, string, readonly (PublishedService | PublishedPortRef)[]]) => {
    asked.push(given);
    return web;
  };
  await using api = await ServedApi.create(fakeEngine({ services: { publish: note, unpublish: note } }));
  const body = {
    Ports: [
      { Protocol: "UDP", PublishedPort: 53, TargetPort: 5353 },
      { PublishedPort: 1, TargetPort: 2 },
    ],
  };
  const answer = await api.ask("POST", "/networks/x1/services/web/publish", { body });
  expect([answer.status, answer.json()]).toEqual([200, wire]);
  await api.ask("POST", "/networks/x1/services/web/unpublish", { body: { Ports: [{ PublishedPort: 53 }] } });
  expect(asked).toEqual([
    [
      "x1",
      "web",
      [
        { protocol: "udp", publishedPort: 53, targetPort: 5353 },
        { protocol: "tcp", publishedPort: 1, targetPort: 2 },
      ],
    ],
    ["x1", "web", [{ protocol: "tcp", publishedPort: 53 }]],
  ]);
});

test.each([
  [{}, "invalid Ports: at least one port is wanted"],
  [{ Ports: [{ TargetPort: 80 }] }, "invalid PublishedPort: a port is wanted"],
  [{ Ports: [{ PublishedPort: 80 }] }, "invalid TargetPort: a port is wanted"],
  [{ Ports: [{ PublishedPort: 0, TargetPort: 80 }] }, "invalid PublishedPort: 0 is not a port"],
  [
    { Ports: [{ Protocol: "icmp", PublishedPort: 80, TargetPort: 80 }] },
    'invalid Protocol: "icmp" is none of tcp, udp, sctp',
  ],
  [
    { Ports: [{ PublishedPort: "80", TargetPort: 80 }] },
    "json: cannot unmarshal string into Go struct field ServicePortsRequest.Ports.PublishedPort of type int64",
  ],
])("bad ports are refused: %j", async (body, message) => {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask("POST", "/networks/x1/services/web/publish", { body });
  expect(answer.status).toBe(400);
  expect(answer.json()).toEqual({ message: expect.stringContaining(message) });
});

test("what the engine refuses has Docker's statuses", async () => {
  const inspect = async () => {
    throw notFound("service db not found on network x1");
  };
  const publish = async () => {
    throw conflict("port 8080/tcp is published for service api");
  };
  await using api = await ServedApi.create(fakeEngine({ services: { inspect, publish } }));
  expect(await api.ask("GET", "/networks/x1/services/db")).toMatchObject({ status: 404 });
  const body = { Ports: [{ PublishedPort: 8080, TargetPort: 80 }] };
  const answer = await api.ask("POST", "/networks/x1/services/web/publish", { body });
  expect([answer.status, answer.json()]).toEqual([
    409,
    { message: "port 8080/tcp is published for service api" },
  ]);
});

test("a verbose inspect shows services as Docker's swarm does", async () => {
  const inspect = async () => networkView({ services: [web] });
  await using api = await ServedApi.create(fakeEngine({ networks: { inspect } }));
  const answer = await api.ask("GET", "/networks/x1?verbose=true");
  expect(answer.json()).toMatchObject({
    Services: {
      web: {
        VIP: "10.0.0.5",
        Ports: ["Target: 80, Publish: 8080"],
        LocalLBIndex: 0,
        Tasks: [
          {
            Name: "web1",
            EndpointID: "e1",
            EndpointIP: "10.0.0.7",
            Info: { Host: "host2", Ready: "true" },
          },
        ],
      },
    },
  });
});
