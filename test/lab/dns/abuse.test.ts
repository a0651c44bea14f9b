// What a hostile sandbox can do to its resolver, and that others do not feel it.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { expect, test } from "vitest";
import { connectSocket, sendDatagram } from "../../../src/kernel/datagrams.ts";
import { bindSocket, closeFd } from "../../../src/kernel/index.ts";
import type { ProxyHandle, ResolverPorts } from "../../../src/proxy/index.ts";
import { frame } from "../../../src/proxy/tcp-frames.ts";
import { Lab, type LabHost } from "../lab.ts";
import { connect, ip, proxyOn } from "../proxy/world.ts";
import { addresses, ask, nameServer, query } from "./world.ts";

async function world(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24");
  const [host, ns] = [await lan.host("host"), await lan.host("ns")];
  return { host, ns, bad: await lab.host("bad"), good: await lab.host("good") };
}

async function resolverFor(proxy: ProxyHandle, sandbox: LabHost, forwards = false): Promise<ResolverPorts> {
  const upstreams = [{ address: ip("192.0.2.2"), from: "host" as const }];
  const common = { networks: ["n1"], privateNames: {}, upstreams, forwards };
  const ports = await proxy.setResolver(sandbox.name, { netns: sandbox.netns, ...common });
  if (!ports) throw new Error("no ports");
  return ports;
}

const c1 = {
  networkId: "n1",
  networkName: "x1",
  endpointId: "e1",
  names: ["c1"],
  addresses: [ip("198.51.100.10")],
};

/** Sends bytes without waiting for anything. */
async function flood(host: LabHost, port: number, datagrams: readonly Buffer[]): Promise<void> {
  const fd = await bindSocket({ netns: host.netns, protocol: "udp", address: ip("127.0.0.1"), port: 0 });
  connectSocket(fd, ip("127.0.0.11"), port);
  for (const bytes of datagrams) sendDatagram(fd, bytes);
  closeFd(fd);
}

test("nonsense over UDP and TCP changes nothing for anybody", async () => {
  await using lab = await Lab.create();
  const { host, bad } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  const { udp, tcp } = await resolverFor(proxy, bad);
  const pid = proxy.pid;
  const nonsense = Array.from({ length: 2000 }, (_, at) => randomBytes(at % 700));
  const edited = nonsense.map((bytes, at) =>
    Buffer.concat([query({ name: "c1" }).subarray(0, at % 30), bytes]),
  );
  await flood(bad, udp, [...nonsense, ...edited]);
  const socket = await connect(bad, "127.0.0.11", tcp);
  socket.on("error", () => undefined).resume();
  for (const bytes of edited.slice(0, 500)) socket.write(frame(bytes));
  socket.end(randomBytes(5000));
  // a full buffer may have lost the question: whoever asks asks again
  const answer = () => ask(bad, udp, { name: "c1", timeoutMs: 1000 }).catch(String);
  await expect.poll(answer).toMatchObject({ records: ["198.51.100.10"] });
  expect(await ask(bad, tcp, { name: "c1", tcp: true })).toMatchObject({ records: ["198.51.100.10"] });
  expect(proxy.pid).toBe(pid);
  socket.destroy();
});

test("connections that trickle bytes do not keep others out", async () => {
  await using lab = await Lab.create();
  const { host, bad, good } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  const [own, other] = [await resolverFor(proxy, bad), await resolverFor(proxy, good)];
  const slow = await Promise.all(Array.from({ length: 300 }, () => connect(bad, "127.0.0.11", own.tcp)));
  for (const socket of slow)
    socket
      .on("error", () => undefined)
      .resume()
      .write(Buffer.from([0]));
  expect(await ask(bad, own.tcp, { name: "c1", tcp: true })).toMatchObject({ records: ["198.51.100.10"] });
  expect(await ask(good, other.tcp, { name: "c1", tcp: true })).toMatchObject({ records: ["198.51.100.10"] });
  await expect
    .poll(() => slow.filter((socket) => socket.closed || socket.readableEnded).length)
    .toBeGreaterThan(150);
  for (const socket of slow) socket.destroy();
});

test("a pipelined burst on one connection is answered whole, also after the asker's end", async () => {
  await using lab = await Lab.create();
  const { host, bad } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  const { tcp } = await resolverFor(proxy, bad);
  const socket = await connect(bad, "127.0.0.11", tcp);
  let size = 0;
  socket.on("data", (part: Buffer) => {
    size += part.length;
  });
  const questions = Array.from({ length: 2000 }, (_, at) => frame(query({ name: "c1" }, at)));
  socket.end(Buffer.concat(questions));
  await once(socket, "end");
  expect(size).toBe(2000 * (query({ name: "c1" }).length + 16 + 2));
  socket.destroy();
});

test("thousands of questions of one sandbox wait at once, and another one is answered", async () => {
  await using lab = await Lab.create();
  const { host, ns, bad, good } = await world(lab);
  await using _server = await nameServer(ns, "192.0.2.2", ({ name }) =>
    name.startsWith("slow") ? undefined : addresses(name, "203.0.113.1"),
  );
  await using proxy = await proxyOn(lab, host);
  const [own, other] = [await resolverFor(proxy, bad, true), await resolverFor(proxy, good, true)];
  const waiting = Array.from({ length: 5_000 }, (_, at) => query({ name: `slow${at}.example.com` }));
  let most = 0;
  for (let at = 0; at < waiting.length; at += 200) {
    await flood(bad, own.udp, waiting.slice(at, at + 200));
    await ask(bad, own.udp, { name: "c0" }); // all before it have been read
    most = Math.max(most, (await proxy.counters()).questions);
  }
  expect(most).toBeGreaterThan(2_000);
  const answer = () => ask(good, other.udp, { name: "quick.example.com" });
  await expect.poll(answer).toMatchObject({ records: ["203.0.113.1"] });
  await expect.poll(async () => (await proxy.counters()).questions).toBe(0);
});

test("a thousand connections that say nothing keep nobody out, and are not all kept", async () => {
  await using lab = await Lab.create();
  const { host, bad, good } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  const [own, other] = [await resolverFor(proxy, bad), await resolverFor(proxy, good)];
  const silent: Awaited<ReturnType<typeof connect>>[] = [];
  for (let at = 0; at < 1000; at++) {
    const socket = await connect(bad, "127.0.0.11", own.tcp);
    silent.push(socket.on("error", () => undefined).resume());
  }
  for (const [sandbox, { tcp, udp }] of [
    [bad, own],
    [good, other],
  ] as const) {
    expect(await ask(sandbox, tcp, { name: "c1", tcp: true })).toMatchObject({ records: ["198.51.100.10"] });
    expect(await ask(sandbox, udp, { name: "c1" })).toMatchObject({ records: ["198.51.100.10"] });
  }
  await expect
    .poll(() => silent.filter((socket) => socket.closed || socket.readableEnded).length)
    .toBeGreaterThan(800);
  for (const socket of silent) socket.destroy();
});

test("an asker that never reads its answers is not read from for ever", async () => {
  await using lab = await Lab.create();
  const { host, bad } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", {
    ...c1,
    addresses: Array.from({ length: 60 }, (_, at) => ip(`192.0.2.${at}`)),
  });
  const { tcp, udp } = await resolverFor(proxy, bad);
  const socket = await connect(bad, "127.0.0.11", tcp);
  socket.on("error", () => undefined).pause();
  const question = frame(query({ name: "c1" }));
  const burst = Buffer.concat(Array.from({ length: 50_000 }, () => question));
  socket.write(burst); // its answers would be 50 MB
  expect(await ask(bad, udp, { name: "c1", udpSize: 4096 })).toMatchObject({ rcode: "NOERROR" });
  const before = socket.bytesWritten - socket.writableLength;
  expect(await ask(bad, tcp, { name: "c1", tcp: true })).toMatchObject({ rcode: "NOERROR" });
  expect(before).toBeLessThanOrEqual(burst.length);
  const { stdout } = { stdout: await host.run("sh", "-c", `grep VmRSS /proc/${proxy.pid}/status`) };
  expect(Number(/(\d+) kB/.exec(stdout)?.[1])).toBeLessThan(200_000);
  socket.destroy();
});
