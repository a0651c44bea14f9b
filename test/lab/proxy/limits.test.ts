// The limits of forwarding, and that what comes and goes leaves nothing.

import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { ForwardTable } from "../../../src/proxy/forward-table.ts";
import type { Forward } from "../../../src/proxy/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import "../matchers.ts";
import { connect, ip, proxyOn, readAll, reserve, serve } from "./world.ts";

/** A table that owns what it is given, in this process, with a socket that it may have. */
async function forwardOf(
  host: LabHost,
  targetPort: number,
  protocol: "tcp" | "udp" = "tcp",
): Promise<Forward> {
  const port = await reserve(host, protocol, "192.0.2.1");
  const target = ip("192.0.2.2");
  return { protocol, listen: ip("192.0.2.1"), listenPort: port.port, socket: port.fd, target, targetPort };
}

async function echo(socket: Socket, word: string): Promise<string> {
  const answered = once(socket, "data");
  socket.write(word);
  return String((await answered)[0]);
}

test("a port at its limit lets clients wait and other ports work, and goes on when one leaves", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const [host, container] = [await lan.host("host"), await lan.host("container")];
  await using server = await serve(container, "192.0.2.2", (socket) => socket.pipe(socket));
  const table = new ForwardTable({ netns: host.netns, connections: 5, connectionsEach: 2 });
  const [busy, other] = [await forwardOf(host, server.port), await forwardOf(host, server.port)];
  table.set("a", [busy, other]);
  const first = await connect(container, "192.0.2.1", busy.listenPort);
  const second = await connect(container, "192.0.2.1", busy.listenPort);
  expect([await echo(first, "1"), await echo(second, "2")]).toEqual(["1", "2"]);
  const third = await connect(container, "192.0.2.1", busy.listenPort);
  const waiting = echo(third, "3");
  const elsewhere = await connect(container, "192.0.2.1", other.listenPort);
  expect(await echo(elsewhere, "4")).toBe("4");
  expect(table.counters().connections).toBe(3);
  first.destroy();
  expect(await waiting).toBe("3");
  for (const socket of [second, third, elsewhere]) socket.destroy();
  table.close();
});

test("a udp port at its limit forgets the client that was silent for longest", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const [host, container] = [await lan.host("host"), await lan.host("container")];
  await using _server = await container.listen("192.0.2.2", 53, { protocol: "udp" });
  const table = new ForwardTable({ netns: host.netns, connections: 10, connectionsEach: 2 });
  const forward = await forwardOf(host, 53, "udp");
  table.set("a", [forward]);
  for (let client = 0; client < 5; client++)
    await expect(container).toReach(`192.0.2.1:${forward.listenPort}`, { protocol: "udp" });
  expect(table.counters().flows).toBe(2);
  table.close();
});

test("connections that end in every way leave no descriptor in the proxy", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const [host, container] = [await lan.host("host"), await lan.host("container")];
  let turn = 0;
  await using server = await serve(container, "192.0.2.2", (socket) => {
    const way = turn++ % 4;
    if (way === 0) socket.resetAndDestroy();
    else if (way === 1) socket.resume().end("bye");
    else if (way === 2) socket.once("data", () => socket.destroy());
    else socket.pipe(socket);
  });
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  const target = { target: ip("192.0.2.2"), targetPort: server.port };
  const forward = { protocol: "tcp", listen: ip("192.0.2.1"), listenPort: port.port, ...target } as const;
  await proxy.setForwards("c1", [{ ...forward, socket: port.fd }]);
  const visit = async (at: number) => {
    const socket = await connect(container, "192.0.2.1", port.port);
    const read = readAll(socket).catch(() => undefined);
    socket.end(Buffer.alloc(1 + ((at * 7919) % 100_000)));
    await read;
    socket.destroy();
  };
  await Promise.all(Array.from({ length: 100 }, (_, at) => visit(at)));
  await expect.poll(async () => (await proxy.counters()).connections).toBe(0);
  const before = await openFiles(proxy.pid);
  for (let round = 0; round < 3; round++)
    await Promise.all(Array.from({ length: 100 }, (_, at) => visit(at)));
  await expect.poll(async () => (await proxy.counters()).connections).toBe(0);
  expect(await openFiles(proxy.pid)).toBeLessThanOrEqual(before);
  expect((await proxy.counters()).accepted).toBe(400);
});

test("resolvers and forwards that come and go leave no descriptor in the proxy", async () => {
  await using lab = await Lab.create();
  const [host, sandbox] = [await lab.host("host"), await lab.host("sandbox")];
  await using proxy = await proxyOn(lab, host);
  const config = { netns: sandbox.netns, networks: [], privateNames: {}, upstreams: [], forwards: false };
  using port = await reserve(host, "udp", "127.0.0.1");
  const where = { listen: ip("127.0.0.1"), listenPort: port.port, target: ip("127.0.0.1"), targetPort: 9 };
  const round = async () => {
    await proxy.setResolver("s", config);
    await proxy.setForwards("c", [{ protocol: "udp", ...where, socket: port.fd }]);
    await proxy.setForwards("c", [{ protocol: "udp", ...where, socket: port.fd }]);
    await proxy.setResolver("s", undefined);
    await proxy.setForwards("c", []);
  };
  await round();
  const before = await openFiles(proxy.pid);
  for (let at = 0; at < 20; at++) await round();
  await expect.poll(async () => await openFiles(proxy.pid)).toBeLessThanOrEqual(before);
});

async function openFiles(pid: number | undefined): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}
