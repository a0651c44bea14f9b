// What publishing must not open: driver, firewall, reservations and forwarder together, asked by those who should get
// nothing.

import { describe, expect, test } from "vitest";
import type { PortBinding } from "../../../src/cnm/index.ts";
import { inside } from "../cnm/inside.ts";
import { address, endpointSpec, networkSpec, pool, sandboxSpec } from "../cnm/specs.ts";
import { createWorld } from "../cnm/world.ts";
import { Lab } from "../lab.ts";
import "../matchers.ts";
import { proxyOn } from "../proxy/world.ts";

const bind = (hostPort: number, hostAddress?: string, protocol: "tcp" | "udp" = "tcp"): PortBinding => ({
  protocol,
  containerPort: 80,
  hostPorts: { first: hostPort, last: hostPort },
  ...(hostAddress && { hostAddress: address(hostAddress) }),
});

/** A machine between two LANs, with a container that publishes ports. */
async function build(backend: "nftables" | "iptables", portBindings: readonly PortBinding[]) {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await Lab.create());
  const near = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const far = lab.segment("198.51.100.0/24", "2001:db8:5::/64");
  const machine = await near.host("machine");
  await far.attach(machine);
  const neighbour = await near.host("neighbour");
  await neighbour.routeVia([address("192.0.2.1"), address("2001:db8:2::1")]);
  const beyond = await far.host("beyond");
  await beyond.routeVia([address("198.51.100.1"), address("2001:db8:5::1")]);
  // a router already: what it forwards is not for us to stop
  await machine.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  const forwarder = stack.use(await proxyOn(lab, machine));
  const { controller } = stack.use(await createWorld(machine, { backend, forwarder }));
  const ipam = { driver: "default", pools: [pool("172.20.0.0/16"), pool("2001:db8:100::/64")] };
  await controller.createNetwork(networkSpec("x1", { enableIpv6: true, ipam }));
  const web = await controller.createSandbox(
    sandboxSpec("web", { endpoints: [endpointSpec("x1")], portBindings }),
  );
  const host = stack.use(await inside("web", web.netnsPath));
  for (const at of ["0.0.0.0", "::"])
    for (const protocol of ["tcp", "udp"] as const)
      stack.use(await host.listen(at, 80, { protocol, reply: "web" }));
  const moved = stack.move();
  return { machine, neighbour, beyond, web: host, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

describe.each(["nftables", "iptables"] as const)("with %s", (backend) => {
  test("a published port hijacks no traffic that only passes through the host", async () => {
    await using town = await build(backend, [bind(8080), bind(8080, undefined, "udp")]);
    const { neighbour, beyond, web } = town;
    for (const at of ["0.0.0.0", "::"])
      for (const protocol of ["tcp", "udp"] as const)
        await beyond.listen(at, 8080, { protocol, reply: "beyond" });
    for (const protocol of ["tcp", "udp"] as const) {
      for (const target of ["198.51.100.2:8080", "[2001:db8:5::2]:8080"]) {
        await expect(neighbour).toReach(target, { protocol, answer: "beyond" });
        await expect(web).toReach(target, { protocol, answer: "beyond" });
      }
      for (const target of ["192.0.2.1:8080", "198.51.100.1:8080", "[2001:db8:5::1]:8080"])
        await expect(neighbour).toReach(target, { protocol, answer: "web" });
    }
  });

  test("a port bound to 127.0.0.1 or ::1 is not reachable from a neighbour on the link", async () => {
    const bindings = [bind(8080, "127.0.0.1"), bind(8080, "::1"), bind(8080, "127.0.0.1", "udp")];
    await using town = await build(backend, [...bindings, bind(8080, "::1", "udp")]);
    const { machine, neighbour, web } = town;
    for (const protocol of ["tcp", "udp"] as const) {
      for (const target of ["127.0.0.1:8080", "[::1]:8080"])
        await expect(machine).toReach(target, { protocol, answer: "web" });
      for (const target of ["192.0.2.1:8080", "[2001:db8:2::1]:8080"])
        await expect(neighbour).not.toReach(target, { protocol });
      for (const target of ["172.20.0.1:8080", "[2001:db8:100::1]:8080"])
        await expect(web).not.toReach(target, { protocol });
    }
    // a neighbour who sends packets for loopback addresses to the machine
    await neighbour.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1");
    await neighbour.run("ip", "route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local");
    await neighbour.run("ip", "route", "del", "local", "127.0.0.1", "dev", "lo", "table", "local");
    await neighbour.run("ip", "route", "add", "127.0.0.1", "via", "192.0.2.1", "src", "192.0.2.2");
    await neighbour.run("ip", "-6", "route", "del", "local", "::1", "dev", "lo", "table", "local");
    await neighbour.run("ip", "-6", "route", "add", "::1", "via", "2001:db8:2::1");
    for (const protocol of ["tcp", "udp"] as const)
      for (const target of ["127.0.0.1:8080", "[::1]:8080"])
        await expect(neighbour).not.toReach(target, { protocol });
  });

  test("no remote client is ever seen as 127.0.0.1", async () => {
    await using town = await build(backend, [bind(8080), bind(8080, undefined, "udp")]);
    const { machine, neighbour } = town;
    const answers: string[] = [];
    for (const protocol of ["tcp", "udp"] as const) {
      for (const target of ["192.0.2.1:8080", "[2001:db8:2::1]:8080"])
        answers.push(await neighbour.ask(target, { protocol }));
      // not even the host itself: what trusts 127.0.0.1 in the container trusts the container
      for (const target of ["127.0.0.1:8080", "[::1]:8080", "192.0.2.1:8080"])
        answers.push(await machine.ask(target, { protocol }));
    }
    expect(answers.filter((answer) => /\s(::ffff:)?127\.|\s::1$/.test(answer))).toEqual([]);
    expect(answers).toHaveLength(10);
    // nor one who claims to be: his packets have a loopback address as their source
    await neighbour.run("ip", "address", "add", "127.0.0.5/32", "dev", "eth0");
    const spoofed = neighbour.ask("192.0.2.1:8080", { protocol: "udp", from: "127.0.0.5", timeoutMs: 400 });
    await expect(spoofed).rejects.toThrow();
  });
});
