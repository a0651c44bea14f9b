// Services as the engine shows and changes them.

import { expect, test } from "vitest";
import type { Network, PublishedService, Service } from "../../../src/cnm/index.ts";
import { Events } from "../../../src/engine/events.ts";
import {
  closedPortWarnings,
  type ServiceContext,
  serviceOperations,
  tellOfIngress,
} from "../../../src/engine/services.ts";
import type { EngineEvent } from "../../../src/engine/types.ts";
import { notFound } from "../../../src/util/errors.ts";
import { address } from "../api/fake-engine.ts";
import { clusterNode, clusterView, FakeMembership, otherNode } from "./fake-membership.ts";

const port: PublishedService = { protocol: "tcp", publishedPort: 8080, targetPort: 80 };

const web: Service = {
  networkId: "b1",
  networkName: "blue",
  name: "web",
  vips: [address("10.0.0.9")],
  published: [port],
  backends: [
    {
      endpointId: "e1",
      node: otherNode().id,
      containerName: "w1",
      addresses: [address("10.0.0.2")],
      isReady: true,
      isLocal: false,
    },
  ],
};

function world({ scope = "global", internal = false } = {}) {
  const asked: unknown[] = [];
  const told: Parameters<ServiceContext["ingress"]["follow"]>[0][] = [];
  const network = { id: "b1", name: "blue", record: { scope, internal, driver: "overlay" } };
  const change =
    (what: string) =>
    async (...given: unknown[]) => {
      asked.push([what, ...given]);
      return web;
    };
  const context = {
    controller: {
      network: (ref: string) => {
        if (ref !== "blue" && ref !== "b1") throw notFound(`network ${ref} not found`);
        return network as unknown as Network;
      },
      networks: () => [network as unknown as Network],
      services: () => (scope === "global" ? [web] : []),
      publishService: change("publish"),
      unpublishService: change("unpublish"),
    },
    events: new Events(),
    membership: new FakeMembership(clusterView({ nodes: [clusterNode({ isSelf: true }), otherNode()] })),
    ingress: {
      closedPorts: () => [
        { networkId: "b1", node: clusterNode().id, protocol: "tcp", publishedPort: 8080, reason: "taken" },
        { networkId: "b1", node: clusterNode().id, protocol: "tcp", publishedPort: 1, reason: "another's" },
      ],
      follow: (listener: (typeof told)[number]) => void told.push(listener),
      serve: async (networkId: string) => void asked.push(["serve", networkId]),
    },
  } as unknown as ServiceContext;
  return { context, services: serviceOperations(context), asked, told };
}

/** The first one that happened. */
async function firstEvent({ events }: ServiceContext): Promise<EngineEvent | undefined> {
  const heard = events.subscribe({ filters: new Map(), sinceNano: 0n }, new AbortController().signal);
  for await (const event of heard) return event;
  return undefined;
}

test("hosts are shown by name, and ports that are closed with the reason", async () => {
  const { services } = world();
  expect(await services.inspect("blue", "WEB")).toMatchObject({
    name: "web",
    backends: [{ nodeName: "host2" }],
    closed: [{ nodeName: "host1", publishedPort: 8080, reason: "taken" }],
  });
});

test.each([
  ["name", "we", 1],
  ["name", "db", 0],
  ["node", "host2", 1],
  ["node", "host1", 0],
  ["ready", "false", 0],
  ["publish", "8080", 1],
  ["publish", "8080/udp", 0],
])("the filter %s=%s leaves %i", async (key, value, count) => {
  expect(await world().services.list("blue", new Map([[key, [value]]]))).toHaveLength(count);
});

test("ports are published and unpublished, with an event each", async () => {
  const { services, asked, context } = world();
  await services.publish("blue", "web", [port]);
  await services.unpublish("blue", "web", [{ protocol: "tcp", publishedPort: 8080 }]);
  expect(asked).toEqual([
    ["publish", "b1", "web", [port]],
    // who publishes hears of what this host cannot open
    ["serve", "b1"],
    ["unpublish", "b1", "web", [port]],
  ]);
  expect(await firstEvent(context)).toMatchObject({
    type: "network",
    action: "service-publish",
    actor: {
      id: "b1",
      attributes: { name: "blue", service: "web", ports: "8080:80/tcp", type: "overlay" },
    },
  });
});

test("what cannot be is refused by name", async () => {
  const { services } = world();
  await expect(services.inspect("red", "web")).rejects.toMatchObject({ kind: "not-found" });
  await expect(services.inspect("blue", "db")).rejects.toMatchObject({
    kind: "not-found",
    message: "service db not found on network blue",
  });
  await expect(services.publish("blue", "web", [])).rejects.toMatchObject({ kind: "invalid" });
  await expect(
    services.unpublish("blue", "web", [{ protocol: "udp", publishedPort: 8080 }]),
  ).rejects.toMatchObject({
    kind: "not-found",
    message: "service web of network blue has not published 8080/udp",
  });
  await expect(world({ internal: true }).services.publish("blue", "web", [port])).rejects.toMatchObject({
    kind: "invalid",
    message: "publish service web: network blue is internal",
  });
  await expect(world({ scope: "local" }).services.inspect("blue", "web")).rejects.toMatchObject({
    message: expect.stringContaining("only networks of a cluster"),
  });
});

test("ports that are closed somewhere are warnings, unless nobody publishes them any more", () => {
  expect(closedPortWarnings(world().context)).toEqual([
    {
      nodeId: clusterNode().id,
      text: "port 8080/tcp of service web of network blue is closed: taken",
    },
  ]);
});

test("ports that a host cannot open are events", async () => {
  const { context, told } = world();
  tellOfIngress(context);
  const change = {
    node: otherNode().id,
    networkId: "b1",
    networkName: "blue",
    port: { protocol: "tcp", port: 8080, targetPort: 80, backends: [] },
  } as const;
  told[0]?.({ ...change, reason: "taken" });
  expect(await firstEvent(context)).toMatchObject({
    action: "service-port-closed",
    actor: { attributes: { node: "host2", port: "8080/tcp", reason: "taken" } },
  });
});
