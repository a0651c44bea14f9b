// The limits of forwarding, and that what comes and goes leaves nothing.

import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { ForwardTable } from "../../../src/proxy/forward-table.ts";
import { Lab, type LabHost } from "../lab.ts";
import "../matchers.ts";
import { connect, forward, type HeldForward, lead, proxyOn, readAll, reserve, serve } from "./world.ts";

/** A forward of a new port. */
async function forwardOf(host: LabHost, targetPort: number, protocol: "tcp" | "udp" = "tcp") {
  const port = await reserve(host, protocol, "192.0.2.1");
  return lead(port, "192.0.2.2", targetPort);
}

/** Gives a table, in this process, forwards and their sockets. */
function set(table: ForwardTable, forwards: readonly HeldForward[]): void {
  table.set(
    "a",
    forwards.map(({ parked: _, ...rest }) => rest),
    forwards.map(({ parked }) => parked),
  );
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
  set(table, [busy, other]);
  const first = await connect(container, "192.0.2.1", busy.listenPorts.first);
  const second = await connect(container, "192.0.2.1", busy.listenPorts.first);
  expect([await echo(first, "1"), await echo(second, "2")]).toEqual(["1", "2"]);
  const third = await connect(container, "192.0.2.1", busy.listenPorts.first);
  const waiting = echo(third, "3");
  const elsewhere = await connect(container, "192.0.2.1", other.listenPorts.first);
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
  const udp = await forwardOf(host, 53, "udp");
  set(table, [udp]);
  for (let client = 0; client < 5; client++)
    await expect(container).toReach(`192.0.2.1:${udp.listenPorts.first}`, { protocol: "udp" });
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
  await forward(proxy, "c1", [lead(port, "192.0.2.2", server.port)]);
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
  for (let round = 0; round < 8; round++)
    await Promise.all(Array.from({ length: 100 }, (_, at) => visit(at)));
  await expect.poll(async () => (await proxy.counters()).connections).toBe(0);
  // each way to end has come 200 times; what may be left are pipes, of which it keeps 64
  expect(await openFiles(proxy.pid)).toBeLessThanOrEqual(before + 2 * 64);
  expect((await proxy.counters()).accepted).toBe(900);
});

test("resolvers and forwards that come and go leave no descriptor in the proxy", async () => {
  await using lab = await Lab.create();
  const [host, sandbox] = [await lab.host("host"), await lab.host("sandbox")];
  await using proxy = await proxyOn(lab, host);
  const config = { netns: sandbox.netns, networks: [], privateNames: {}, upstreams: [], forwards: false };
  using port = await reserve(host, "udp", "127.0.0.1");
  const wished = [lead(port, "127.0.0.1", 9)];
  const round = async () => {
    await proxy.setResolver("s", config);
    await forward(proxy, "c", wished);
    await forward(proxy, "c", wished);
    await proxy.setResolver("s", undefined);
    await forward(proxy, "c", []);
  };
  await round();
  const before = await openFiles(proxy.pid);
  for (let at = 0; at < 20; at++) await round();
  await expect.poll(async () => await openFiles(proxy.pid)).toBeLessThanOrEqual(before);
});

async function openFiles(pid: number | undefined): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}
