// Forwarding, from a client on a LAN through the proxy's host to a target beyond it.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { closeFd } from "../../../src/kernel/index.ts";
import { Lab } from "../lab.ts";
import "../matchers.ts";
import { connect, forward, lead, proxyOn, readAll, reserve, serve } from "./world.ts";

/** A client, the proxy's host, and a container that only the host can reach. */
async function threeHosts(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
  const bridge = lab.segment("198.51.100.0/24", "2001:db8:1::/64");
  const host = await lan.host("host");
  await bridge.attach(host);
  return { host, client: await lan.host("client"), container: await bridge.host("container") };
}

const containerAddress = "198.51.100.2";

test("a TCP port of the host's IPv6 address leads to an IPv4 container", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using _server = await container.listen("0.0.0.0", 80);
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "2001:db8::1");
  await forward(proxy, "c1", [lead(port, containerAddress, 80)]);
  await expect(client).toReach(`[2001:db8::1]:${port.port}`, { answer: "container 198.51.100.1" });
  await expect(host).toReach(`[2001:db8::1]:${port.port}`, { answer: "container 198.51.100.1" });
});

test("a UDP port of a wildcard address answers from the address that was asked", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using _server = await container.listen("0.0.0.0", 53, { protocol: "udp" });
  await using proxy = await proxyOn(lab, host);
  // a connected client takes answers from the asked address alone: the second one is not what routing would choose
  await host.run("ip", "address", "add", "192.0.2.99/24", "dev", "eth0");
  await host.run("ip", "address", "add", "2001:db8::99/64", "dev", "eth0", "nodad");
  using v4 = await reserve(host, "udp", "0.0.0.0");
  using v6 = await reserve(host, "udp", "::");
  await forward(proxy, "c1", [lead(v4, containerAddress, 53), lead(v6, containerAddress, 53)]);
  const answer = "container 198.51.100.1";
  for (const target of [`192.0.2.1:${v4.port}`, `192.0.2.99:${v4.port}`])
    await expect(client).toReach(target, { protocol: "udp", answer });
  for (const target of [`[2001:db8::1]:${v6.port}`, `[2001:db8::99]:${v6.port}`])
    await expect(client).toReach(target, { protocol: "udp", answer });
});

test("200 MB pass unharmed, and the end of one direction leaves the other open", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using server = await serve(container, containerAddress, answerWithDigest);
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "2001:db8::1");
  await forward(proxy, "c1", [lead(port, containerAddress, server.port)]);
  const socket = await connect(client, "2001:db8::1", port.port);
  const answered = readAll(socket);
  const sent = await sendBlocks(socket, 200);
  socket.end();
  expect((await answered).toString()).toBe(`${200 << 20} ${sent}`);
});

test("messages of all sizes pass there and back unharmed and in order", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using server = await serve(container, containerAddress, (socket) => socket.pipe(socket));
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  await forward(proxy, "c1", [lead(port, containerAddress, server.port)]);
  const socket = await connect(client, "192.0.2.1", port.port);
  const answered = readAll(socket);
  const sizes = [1, 8191, 8192, 8193, 3, 16_384, 1 << 17, 1, 1 << 20, 5, 65_536, 8192, 2];
  const messages = [...sizes, ...sizes].map((size) => randomBytes(size));
  for (const [at, message] of messages.entries()) {
    socket.write(message);
    // some come one by one, and some are met by the next one on the way
    if (at % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  expect((await answered).equals(Buffer.concat(messages))).toBe(true);
});

test("what clients say at once, and that they say no more, reaches the container", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using server = await serve(container, containerAddress, answerWithDigest);
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  await forward(proxy, "c1", [lead(port, containerAddress, server.port)]);
  const sockets = await Promise.all(
    Array.from({ length: 50 }, () => connect(client, "192.0.2.1", port.port)),
  );
  const answers = sockets.map((socket) => readAll(socket.end("hello")));
  const digest = createHash("sha256").update("hello").digest("hex");
  expect(new Set((await Promise.all(answers)).map(String))).toEqual(new Set([`5 ${digest}`]));
});

test("a sender waits for a reader that does not read", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  const accepted = Promise.withResolvers<Socket>();
  await using server = await serve(container, containerAddress, (socket) => accepted.resolve(socket.pause()));
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  await forward(proxy, "c1", [lead(port, containerAddress, server.port)]);
  const socket = await connect(client, "192.0.2.1", port.port);
  const block = Buffer.alloc(1 << 20, 7);
  let blocks = 0;
  while (socket.writableLength < 4 << 20 && blocks < 200) {
    socket.write(block);
    await new Promise((resolve) => setImmediate(resolve));
    blocks++;
  }
  expect(blocks).toBeLessThan(200);
  const reader = await accepted.promise;
  let received = 0;
  reader.on("data", (part: Buffer) => {
    received += part.length;
  });
  reader.resume();
  socket.end();
  await once(reader, "end");
  expect(received).toBe(blocks << 20);
  socket.destroy();
});

test("few bytes at a time wait too for a reader that does not read, and none is lost", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  const accepted = Promise.withResolvers<Socket>();
  await using server = await serve(container, containerAddress, (socket) => accepted.resolve(socket.pause()));
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  await forward(proxy, "c1", [lead(port, containerAddress, server.port)]);
  const socket = await connect(client, "192.0.2.1", port.port);
  const digest = createHash("sha256");
  let sent = 0;
  for (; sent < 500_000 && socket.writableLength < 1 << 20; sent++) {
    const message = Buffer.alloc(700, sent % 251);
    digest.update(message);
    if (!socket.write(message)) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(socket.writableLength).toBeGreaterThanOrEqual(1 << 20);
  const answered = readAll(socket);
  answerWithDigest((await accepted.promise).resume());
  socket.end();
  expect((await answered).toString()).toBe(`${sent * 700} ${digest.digest("hex")}`);
});

test("a client is reset when the container refuses the connection, and when it resets one", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using server = await serve(container, containerAddress, (socket) =>
    socket.once("data", () => socket.resetAndDestroy()),
  );
  await using proxy = await proxyOn(lab, host);
  using refused = await reserve(host, "tcp", "192.0.2.1");
  using reset = await reserve(host, "tcp", "192.0.2.1");
  await forward(proxy, "c1", [
    lead(refused, containerAddress, 9),
    lead(reset, containerAddress, server.port),
  ]);
  await expect(readAll(await connect(client, "192.0.2.1", refused.port))).rejects.toThrow(/ECONNRESET/);
  const socket = await connect(client, "192.0.2.1", reset.port);
  const broken = readAll(socket);
  socket.write("x");
  await expect(broken).rejects.toThrow(/ECONNRESET/);
  await expect.poll(async () => await proxy.counters()).toMatchObject({ connections: 0, refused: 1 });
});

test("no wish left, no connection and no listener left, though the port stays reserved", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using server = await serve(container, containerAddress, (socket) => socket.pipe(socket));
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  const forwards = [lead(port, containerAddress, server.port)];
  await forward(proxy, "c1", forwards);
  const socket = await connect(client, "192.0.2.1", port.port);
  socket.write("x");
  await once(socket, "data");
  const broken = expect(readAll(socket)).rejects.toThrow(/ECONNRESET/);
  await forward(proxy, "c1", []);
  await broken;
  await expect(client).not.toReach(`192.0.2.1:${port.port}`);
  await expect(reserve(host, "tcp", "192.0.2.1", port.port)).rejects.toMatchObject({ code: "EADDRINUSE" });
  await forward(proxy, "c1", forwards);
  const again = await connect(client, "192.0.2.1", port.port);
  again.write("y");
  expect(String((await once(again, "data"))[0])).toBe("y");
  again.destroy();
});

test("a udp port without a wish swallows what comes, and serves again when it is wished", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using _server = await container.listen("0.0.0.0", 53, { protocol: "udp" });
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "udp", "192.0.2.1");
  const forwards = [lead(port, containerAddress, 53)];
  const asked = { protocol: "udp", timeoutMs: 200 } as const;
  for (let round = 0; round < 3; round++) {
    await forward(proxy, "c1", forwards);
    await expect(client).toReach(`192.0.2.1:${port.port}`, { protocol: "udp" });
    await forward(proxy, "c1", []);
    await expect(client).not.toReach(`192.0.2.1:${port.port}`, asked);
  }
  expect(await proxy.counters()).toMatchObject({ flows: 0 });
});

test("setting the same wish twice disturbs no connection, and another target takes new ones", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using echo = await serve(container, containerAddress, (socket) => socket.pipe(socket));
  await using other = await serve(container, containerAddress, (socket) => socket.end("other"));
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  const kept = [lead(port, containerAddress, echo.port)];
  await forward(proxy, "c1", kept);
  const socket = await connect(client, "192.0.2.1", port.port);
  socket.write("a");
  await once(socket, "data");
  await forward(proxy, "c1", kept);
  socket.write("b");
  expect(String((await once(socket, "data"))[0])).toBe("b");
  socket.destroy();
  await forward(proxy, "c1", [lead(port, containerAddress, other.port)]);
  expect(String(await readAll(await connect(client, "192.0.2.1", port.port)))).toBe("other");
});

test("a udp flow ends when it was idle for its time", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using _server = await container.listen("0.0.0.0", 53, { protocol: "udp" });
  await using proxy = await proxyOn(lab, host, { udpIdleMs: 300 });
  using port = await reserve(host, "udp", "192.0.2.1");
  await forward(proxy, "c1", [lead(port, containerAddress, 53)]);
  const flows = async () => (await proxy.counters()).flows;
  // on a slow machine one may be over before it is counted
  const flowsAfterAsking = async () => {
    await client.ask(`192.0.2.1:${port.port}`, { protocol: "udp" });
    return await flows();
  };
  await expect.poll(flowsAfterAsking).toBeGreaterThan(0);
  await expect.poll(flows).toBe(0);
});

test("a thousand ports are one process and serve each", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using _server = await container.listen("0.0.0.0", 80);
  await using proxy = await proxyOn(lab, host);
  await using stack = new AsyncDisposableStack();
  const ports = [];
  for (let at = 0; at < 1000; at++)
    ports.push(stack.use(await reserve(host, "tcp", "192.0.2.1", 20_000 + at)));
  await forward(
    proxy,
    "c1",
    ports.map((port) => lead(port, containerAddress, 80)),
  );
  for (const port of [20_000, 20_249, 20_250, 20_999]) await expect(client).toReach(`192.0.2.1:${port}`);
  const held = await proxy.heldSockets();
  expect(held.map(({ ports }) => ports.first)).toEqual(ports.map(({ port }) => port));
  for (const { fd } of held) closeFd(fd);
  await forward(proxy, "c1", []);
  await expect(client).not.toReach("192.0.2.1:20500");
});

test("a port that somebody else listens on fails the wish and leaves the rest as it was", async () => {
  await using lab = await Lab.create();
  const { host, client, container } = await threeHosts(lab);
  await using _server = await container.listen("0.0.0.0", 80);
  await using proxy = await proxyOn(lab, host);
  using first = await reserve(host, "tcp", "192.0.2.1");
  using second = await reserve(host, "udp", "192.0.2.1");
  await forward(proxy, "c1", [lead(first, containerAddress, 80)]);
  // a socket of the one protocol said to be one of the other
  const wrong = lead({ parked: { ...second.parked, protocol: "tcp" } }, containerAddress, 80);
  await expect(forward(proxy, "c2", [wrong])).rejects.toThrow(/forward/);
  await expect(client).toReach(`192.0.2.1:${first.port}`);
});

/** Answers, when the client has ended, how many bytes came and their digest. */
function answerWithDigest(socket: Socket): void {
  const digest = createHash("sha256");
  let size = 0;
  socket.on("data", (part: Buffer) => {
    size += part.length;
    digest.update(part);
  });
  socket.once("end", () => socket.end(`${size} ${digest.digest("hex")}`));
}

/** Sends random blocks of 1 MiB and answers their digest. */
async function sendBlocks(socket: Socket, count: number): Promise<string> {
  const block = randomBytes(1 << 20);
  const digest = createHash("sha256");
  for (let at = 0; at < count; at++) {
    block.writeUInt32BE(at, 0);
    digest.update(block);
    if (!socket.write(Buffer.from(block))) await once(socket, "drain");
  }
  return digest.digest("hex");
}
