// Filters of lists.

import { expect, test } from "vitest";
import {
  matchesContainer,
  matchesEvent,
  matchesLabels,
  matchesNetwork,
  matchesPrune,
  matchesVolume,
} from "../../../src/engine/filters.ts";
import type { EngineEvent, Filters, VolumeView } from "../../../src/engine/types.ts";
import {
  address,
  c1Id,
  containerSpec,
  containerView,
  imageId,
  networkView,
  x1Id,
} from "../api/fake-engine.ts";

const filters = (given: Record<string, string[]>): Filters => new Map(Object.entries(given));
const context = {
  createdAt: (ref: string) =>
    ref === "older" ? new Date("2026-01-01") : ref === "newer" ? new Date("2027-01-01") : undefined,
  imageIds: (ref: string) => (ref === "nginx:latest" ? [imageId] : []),
};
const c1 = containerView({
  spec: containerSpec({
    labels: { app: "web", empty: "" },
    exposedPorts: [{ protocol: "tcp", range: { first: 8000, last: 8010 } }],
  }),
  network: {
    ...containerView().network,
    publishedPorts: [{ protocol: "tcp", containerPort: 80, hostAddress: address("0.0.0.0"), hostPort: 8080 }],
  },
  mounts: [
    {
      kind: "volume",
      name: "data",
      source: "/v",
      target: "/data",
      mode: "",
      writable: true,
      propagation: "",
    },
  ],
});

test.each<[Record<string, string[]>, boolean]>([
  [{}, true],
  [{ id: ["c10"] }, true],
  [{ id: ["9"] }, false],
  [{ name: ["c1"] }, true],
  [{ name: ["^/c1$"] }, true],
  [{ name: ["^c1$"] }, true],
  [{ name: ["c2", "c"] }, true],
  [{ name: ["c2"] }, false],
  [{ name: ["["] }, false],
  [{ label: ["app"] }, true],
  [{ label: ["app=web", "empty"] }, true],
  [{ label: ["app=web", "other"] }, false],
  [{ label: ["toString"] }, false],
  [{ status: ["running", "paused"] }, true],
  [{ status: ["exited"] }, false],
  [{ exited: ["0"] }, false],
  [{ health: ["none"] }, true],
  [{ ancestor: ["nginx"] }, true],
  [{ ancestor: ["nginx:latest"] }, true],
  [{ ancestor: ["busybox"] }, false],
  [{ since: ["older"] }, true],
  [{ since: ["newer"] }, false],
  [{ before: ["newer"] }, true],
  [{ before: ["older"] }, false],
  [{ before: ["unknown"] }, false],
  [{ network: ["x1"] }, true],
  [{ network: [x1Id] }, true],
  [{ network: ["x2"] }, false],
  [{ volume: ["data"] }, true],
  [{ volume: ["/data"] }, true],
  [{ volume: ["/other"] }, false],
  [{ publish: ["8080"] }, true],
  [{ publish: ["80"] }, false],
  [{ publish: ["8080/udp"] }, false],
  [{ publish: ["8079-8081/tcp"] }, true],
  [{ expose: ["8005"] }, true],
  [{ expose: ["8011"] }, false],
  [{ "is-task": ["false"] }, true],
  [{ "is-task": ["true"] }, false],
  [{ status: ["running"], name: ["c2"] }, false],
])("container filter %j: %s", (given, expected) => {
  expect(matchesContainer(c1, filters(given), context)).toBe(expected);
});

test.each<[Record<string, string[]>, boolean]>([
  [{ name: ["x"] }, true],
  [{ name: ["y"] }, false],
  [{ id: ["a1"] }, true],
  [{ driver: ["bridge"] }, true],
  [{ driver: ["overlay"] }, false],
  [{ scope: ["local"] }, true],
  [{ type: ["custom"] }, true],
  [{ type: ["builtin"] }, false],
  [{ type: ["builtin", "custom"] }, true],
  [{ dangling: ["true"] }, true],
  [{ dangling: ["false"] }, false],
  [{ label: ["none"] }, false],
])("network filter %j: %s", (given, expected) => {
  expect(matchesNetwork(networkView(), filters(given))).toBe(expected);
});

test("a predefined network is never dangling", () => {
  const bridge = networkView({ predefined: true });
  expect(matchesNetwork(bridge, filters({ dangling: ["1"] }))).toBe(false);
});

test("volume filters", () => {
  const volume: VolumeView = {
    name: "data",
    driver: "local",
    mountpoint: "/v",
    createdAt: new Date(0),
    labels: { l: "1" },
    options: {},
    scope: "local",
    usedBy: [],
  };
  expect(matchesVolume(volume, filters({ dangling: ["true"], name: ["dat"], label: ["l=1"] }))).toBe(true);
  expect(matchesVolume({ ...volume, usedBy: [c1Id] }, filters({ dangling: ["true"] }))).toBe(false);
});

const event: EngineEvent = {
  type: "container",
  action: "exec_start: sh -c true",
  actor: { id: c1Id, attributes: { name: "c1", image: "registry:5000/nginx:1.25", app: "web" } },
  scope: "local",
  timeNano: 1n,
};

test.each<[Record<string, string[]>, boolean]>([
  [{ type: ["container", "network"] }, true],
  [{ type: ["network"] }, false],
  [{ event: ["exec_start"] }, true],
  [{ event: ["exec"] }, false],
  [{ container: ["c1"] }, true],
  [{ container: [c1Id.slice(0, 12)] }, true],
  [{ container: ["c2"] }, false],
  [{ network: ["c1"] }, false],
  [{ image: ["registry:5000/nginx"] }, true],
  [{ image: ["registry:5000/nginx:1.25"] }, true],
  [{ image: ["registry"] }, false],
  [{ label: ["app=web"] }, true],
  [{ scope: ["swarm"] }, false],
])("event filter %j: %s", (given, expected) => {
  expect(matchesEvent(event, filters(given))).toBe(expected);
});

test("labels are keys, or keys with values", () => {
  expect(matchesLabels({ a: "x=y" }, ["a=x=y"])).toBe(true);
  expect(matchesLabels({ a: "" }, ["a="])).toBe(true);
  expect(matchesLabels({}, [])).toBe(true);
});

test("prune takes what is old enough, labelled, and not excluded", () => {
  const it = { createdAt: new Date(10_000), labels: { keep: "1" } };
  expect(matchesPrune(it, filters({}))).toBe(true);
  expect(matchesPrune(it, filters({ until: ["11"] }))).toBe(true);
  expect(matchesPrune(it, filters({ until: ["9.5"] }))).toBe(false);
  expect(matchesPrune(it, filters({ label: ["keep"] }))).toBe(true);
  expect(matchesPrune(it, filters({ "label!": ["keep"] }))).toBe(false);
  expect(matchesPrune(it, filters({ "label!": ["other"] }))).toBe(true);
});
