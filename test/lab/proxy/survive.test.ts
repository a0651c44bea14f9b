// What happens to everybody's traffic when the daemon or the proxy dies.

import { once } from "node:events";
import { expect, test } from "vitest";
import { closeFd } from "../../../src/kernel/index.ts";
import { type ResolverPorts, startProxy } from "../../../src/proxy/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { Lab, type LabHost } from "../lab.ts";
import "../matchers.ts";
import { connect, controlPath, forward, ip, lead, proxyOn, proxyOptions, reserve, serve } from "./world.ts";

async function twoHosts(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24");
  return { host: await lan.host("host"), container: await lan.host("container") };
}

const listen = ip("192.0.2.1");
const target = ip("192.0.2.2");

test("connections and ports live on while the daemon is away, and the next one finds them as they were", async () => {
  await using lab = await Lab.create();
  const { host, container } = await twoHosts(lab);
  await using echo = await serve(container, "192.0.2.2", (socket) => socket.pipe(socket));
  const options = proxyOptions(host, controlPath(lab));
  const first = await startProxy(options);
  {
    using port = await reserve(host, "tcp", "192.0.2.1", 8080);
    await forward(first, "c1", [lead(port, "192.0.2.2", echo.port)]);
  }
  const socket = await connect(container, "192.0.2.1", 8080);
  socket.write("a");
  await once(socket, "data");
  first.detach(); // all that the proxy sees of a daemon's death
  socket.write("b");
  expect(String((await once(socket, "data"))[0])).toBe("b");

  await using second = await startProxy(options);
  expect(second.pid).toBe(first.pid);
  const held = await second.heldSockets();
  const ports = { first: 8080, last: 8080 };
  expect(held).toEqual([{ protocol: "tcp", addresses: [listen], ports, fd: expect.any(Number) }]);
  await forward(
    second,
    "c1",
    held.map((parked) => lead({ parked }, "192.0.2.2", echo.port)),
  );
  await second.sweep();
  socket.write("c");
  expect(String((await once(socket, "data"))[0])).toBe("c");
  const fresh = await connect(container, "192.0.2.1", 8080);
  fresh.write("d");
  expect(String((await once(fresh, "data"))[0])).toBe("d");
  for (const { fd } of held) closeFd(fd);
  for (const open of [socket, fresh]) open.destroy();
});

test("a reservation that is not forwarded is held by the proxy too, until its owner or a sweep ends it", async () => {
  await using lab = await Lab.create();
  const { host } = await twoHosts(lab);
  const options = proxyOptions(host, controlPath(lab));
  const first = await startProxy(options);
  {
    using port = await reserve(host, "udp", "192.0.2.1", 8080);
    await first.setForwards("c1", [], [port.parked]);
  }
  first.detach();
  await expect(reserve(host, "udp", "192.0.2.1", 8080)).rejects.toMatchObject({ code: "EADDRINUSE" });
  await using second = await startProxy(options);
  const [held] = await second.heldSockets();
  expect(held).toMatchObject({ protocol: "udp", ports: { first: 8080, last: 8080 } });
  if (held) closeFd(held.fd);
  await second.sweep();
  using again = await reserve(host, "udp", "192.0.2.1", 8080);
  expect(again.port).toBe(8080);
});

test("what the next daemon does not wish any more ends with its sweep", async () => {
  await using lab = await Lab.create();
  const { host, container } = await twoHosts(lab);
  await using _server = await container.listen("0.0.0.0", 80);
  const options = proxyOptions(host, controlPath(lab));
  const first = await startProxy(options);
  using kept = await reserve(host, "tcp", "192.0.2.1", 8080);
  using gone = await reserve(host, "tcp", "192.0.2.1", 8081);
  const forwards = [kept, gone].map((port) => lead(port, "192.0.2.2", 80));
  await forward(first, "kept", forwards.slice(0, 1));
  await forward(first, "gone", forwards.slice(1));
  const record = { networkId: "n", networkName: "x1", endpointId: "e", names: ["c1"], addresses: [target] };
  await first.setRecord("e", record);
  await first.setResolver("s", resolverIn(container.netns));
  first.detach();

  await using second = await startProxy(options);
  await forward(second, "kept", forwards.slice(0, 1));
  expect(await second.counters()).toMatchObject({ resolvers: 1, records: 1 });
  await expect(container).toReach("192.0.2.1:8081");
  await second.sweep();
  expect(await second.counters()).toMatchObject({ resolvers: 0, records: 0 });
  await expect(container).toReach("192.0.2.1:8080");
  await expect(container).not.toReach("192.0.2.1:8081");
});

test("a proxy that is killed is replaced, and the new one serves everything", async () => {
  await using lab = await Lab.create();
  const { host, container } = await twoHosts(lab);
  await using _server = await container.listen("0.0.0.0", 80);
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  await forward(proxy, "c1", [lead(port, "192.0.2.2", 80)]);
  await proxy.setRecord("e", {
    networkId: "n",
    networkName: "x1",
    endpointId: "e",
    names: ["c1"],
    addresses: [target],
  });
  const ports = await proxy.setResolver("s", resolverIn(container.netns));
  const killed = proxy.pid ?? 0;
  process.kill(killed, "SIGKILL");
  // the listening socket outlives the proxy in the reservation: clients wait in its backlog, none is refused
  await expect(container).toReach(`192.0.2.1:${port.port}`, { timeoutMs: 5_000 });
  expect(await proxy.counters()).toMatchObject({ resolvers: 1, records: 1 });
  expect(proxy.pid).not.toBe(killed);
  // where the sandbox's rules lead
  expect(await proxy.setResolver("s", resolverIn(container.netns))).toEqual(ports);
  expect(await container.run("ss", "-Hlun")).toContain(`127.0.0.11:${ports?.udp} `);
});

test("a resolver whose port was taken meanwhile gets another, and its owner is told", async () => {
  await using lab = await Lab.create();
  const { host, container } = await twoHosts(lab);
  const moved: unknown[] = [];
  const portsMoved = (sandbox: string, ports: ResolverPorts) => void moved.push({ sandbox, ports });
  await using proxy = await proxyOn(lab, host, { portsMoved });
  const before = await proxy.setResolver("s", resolverIn(container.netns));
  process.kill(proxy.pid ?? 0, "SIGKILL");
  using _thief = await takeWhenFree(container, before?.udp ?? 0);
  const after = await proxy.setResolver("s", resolverIn(container.netns));
  expect(after?.udp).not.toBe(before?.udp);
  expect(moved).toEqual([{ sandbox: "s", ports: after }]);
});

test("a wish that meets a dying proxy is fulfilled by its successor", async () => {
  await using lab = await Lab.create();
  const { host, container } = await twoHosts(lab);
  await using _server = await container.listen("0.0.0.0", 80);
  await using proxy = await proxyOn(lab, host);
  using port = await reserve(host, "tcp", "192.0.2.1");
  process.kill(proxy.pid ?? 0, "SIGKILL");
  await forward(proxy, "c1", [lead(port, "192.0.2.2", 80)]);
  await expect(container).toReach(`192.0.2.1:${port.port}`);
});

test("signals of a terminal do not end a proxy, SIGTERM does", async () => {
  await using lab = await Lab.create();
  const host = await lab.host("host");
  const proxy = await proxyOn(lab, host);
  const pid = proxy.pid ?? 0;
  process.kill(pid, "SIGINT");
  process.kill(pid, "SIGHUP");
  expect(await proxy.counters()).toMatchObject({ connections: 0 });
  expect(proxy.pid).toBe(pid);
  proxy.detach();
  process.kill(pid, "SIGTERM");
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test("a proxy that cannot start says why", async () => {
  await using lab = await Lab.create();
  const host = await lab.host("host");
  const missing = { ...proxyOptions(host, controlPath(lab)), netns: "/run/no-such-netns" };
  await expect(startProxy(missing)).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringMatching(/start tsdocker-proxy: .*no-such-netns/),
  });
  const wrong = { ...proxyOptions(host, controlPath(lab)), command: ["/no/such/program"] };
  await expect(startProxy({ ...wrong, log: silentLog })).rejects.toThrow(/ENOENT/);
});

test("a second proxy does not take the place of one that serves", async () => {
  await using lab = await Lab.create();
  const host = await lab.host("host");
  const options = proxyOptions(host, controlPath(lab));
  await using first = await startProxy(options);
  const [node = "", program = ""] = options.command;
  await expect(host.run(node, program, "--control", options.controlPath)).rejects.toThrow(/another proxy/);
  expect(await first.counters()).toMatchObject({ connections: 0 });
});

function resolverIn(netns: string) {
  return { netns, networks: ["n"], privateNames: {}, upstreams: [], forwards: false };
}

/** Binds a port of a host's 127.0.0.11 as soon as nobody has it. */
async function takeWhenFree(host: LabHost, port: number) {
  for (let tries = 0; ; tries++) {
    try {
      return await reserve(host, "udp", "127.0.0.11", port);
    } catch (error) {
      if (tries === 10_000) throw error;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
