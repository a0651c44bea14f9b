// POST /containers/{id}/ports: from the wire to the engine and back.

import { expect, test } from "vitest";
import type { PortChanges } from "../../../src/engine/types.ts";
import { conflict, notFound } from "../../../src/util/errors.ts";
import { address, containerView, fakeEngine } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

test("ports are added and removed in Docker's words, and answered as inspect shows them", async () => {
  const seen: PortChanges[] = [];
  const view = containerView();
  const publishedPorts = [
    { protocol: "tcp" as const, containerPort: 80, hostAddress: address("0.0.0.0"), hostPort: 8080 },
  ];
  await using api = await ServedApi.create(
    fakeEngine({
      containers: {
        changePorts: async (_ref, changes) => void seen.push(changes),
        inspect: async () => ({ ...view, network: { ...view.network, publishedPorts } }),
      },
    }),
  );
  const body = {
    Add: {
      "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }],
      "53/udp": [],
      "90-91": [{ HostPort: "190-191" }],
    },
    Remove: { "443/tcp": null, "81/tcp": [{ HostPort: "1" }] },
  };
  const answer = await api.ask("POST", "/containers/c1/ports", { body });
  expect(answer.status).toBe(200);
  expect(answer.json()).toMatchObject({ Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }] } });
  const one = (port: number) => ({ first: port, last: port });
  expect(seen).toEqual([
    {
      add: [
        { protocol: "tcp", containerPort: 80, hostAddress: address("127.0.0.1"), hostPorts: one(8080) },
        { protocol: "udp", containerPort: 53 },
        { protocol: "tcp", containerPort: 90, hostPorts: one(190) },
        { protocol: "tcp", containerPort: 91, hostPorts: one(191) },
      ],
      remove: [
        { protocol: "tcp", containerPort: 443 },
        { protocol: "tcp", containerPort: 81, hostPorts: one(1) },
      ],
    },
  ]);
});

test("what is malformed is refused before the engine hears of it", async () => {
  await using api = await ServedApi.create(fakeEngine());
  const status = async (body: unknown) => {
    const answer = await api.ask("POST", "/containers/c1/ports", { body });
    return [answer.status, answer.json()] as const;
  };
  for (const [body, message] of [
    [{}, "no port to add or remove"],
    [{ Add: {} }, "no port to add or remove"],
    [{ Add: { "80/icmp": [{}] } }, "invalid proto: icmp"],
    [{ Add: { "0/tcp": [{}] } }, "invalid port specification"],
    [{ Add: { "65536/tcp": [{}] } }, "invalid port specification"],
    [{ Add: { "80/tcp": [{ HostPort: "65536" }] } }, "invalid port specification"],
    [{ Add: { "80/tcp": [{ HostPort: "x" }] } }, "invalid port specification"],
    [{ Add: { "80/tcp": [{ HostIp: "host" }] } }, "is not an IP address"],
    [{ Add: { "80-82/tcp": [{ HostPort: "1-2" }] } }, "invalid ranges specified"],
    [{ Add: ["80"] }, "cannot unmarshal array"],
    [{ Remove: { "80/tcp": "8080" } }, "cannot unmarshal string"],
  ] as const) {
    const [code, answer] = await status(body);
    expect(code, message).toBe(400);
    expect(answer).toMatchObject({ message: expect.stringContaining(message) });
  }
});

test("the engine's refusals have Docker's status", async () => {
  const answers = [
    notFound("No such container: c1"),
    conflict("Bind for 0.0.0.0:80 failed: port is already allocated"),
  ];
  const changePorts = async () => {
    const next = answers.shift();
    if (next) throw next;
  };
  await using api = await ServedApi.create(fakeEngine({ containers: { changePorts } }));
  const body = { Add: { "80/tcp": [{ HostPort: "80" }] } };
  expect((await api.ask("POST", "/containers/c1/ports", { body })).status).toBe(404);
  expect((await api.ask("POST", "/containers/c1/ports", { body })).status).toBe(409);
});
