// The source address matrix: whom a container sees, by where the client is, over what it asks, and on which kind of
// network. docs/ports.md shows the same table; where the client's own address cannot be had it is the gateway's.

import { describe, expect, test } from "vitest";
import type { PortBinding, Sandbox } from "../../../src/cnm/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { inside } from "../cnm/inside.ts";
import { endpointSpec, networkSpec, pool, sandboxSpec } from "../cnm/specs.ts";
import { createWorld } from "../cnm/world.ts";
import { type AskOptions, Lab, type LabHost } from "../lab.ts";
import { proxyOn } from "../proxy/world.ts";

type Families = "IPv4 only" | "IPv6 only" | "dual stack";

/** Clients and how they name the machine. */
const clients = [
  "another host, IPv4",
  "another host, IPv6",
  "the machine, IPv4",
  "the machine, IPv6",
  "the machine, 127.0.0.1",
  "the machine, ::1",
  "same bridge, IPv4",
  "same bridge, IPv6",
  "other bridge, IPv4",
  "other bridge, IPv6",
  "itself, IPv4",
  "itself, IPv6",
] as const;

type Matrix = Readonly<Record<(typeof clients)[number], string>>;

/**
 * Whom the container sees. `self`: the client's own address. `gateway`: the host's on the container's bridge, because
 * - from loopback: the kernel lets 127.0.0.1 and ::1 out of the loopback link as a source of nothing;
 * - from the same bridge and itself: the answer would go past the host, to a client who had asked another address;
 * - from another bridge: likewise, where the container is on that network too;
 * - from IPv6 to a container without: there is no such address for it to see.
 */
const expected: Readonly<Record<Families, Matrix>> = {
  "IPv4 only": {
    "another host, IPv4": "self",
    "another host, IPv6": "gateway",
    "the machine, IPv4": "self",
    "the machine, IPv6": "gateway",
    "the machine, 127.0.0.1": "gateway",
    "the machine, ::1": "gateway",
    "same bridge, IPv4": "gateway",
    "same bridge, IPv6": "nobody",
    "other bridge, IPv4": "gateway",
    "other bridge, IPv6": "nobody",
    "itself, IPv4": "gateway",
    "itself, IPv6": "nobody",
  },
  "IPv6 only": {
    "another host, IPv4": "nobody",
    "another host, IPv6": "self",
    "the machine, IPv4": "nobody",
    "the machine, IPv6": "self",
    "the machine, 127.0.0.1": "nobody",
    "the machine, ::1": "gateway",
    "same bridge, IPv4": "nobody",
    "same bridge, IPv6": "gateway",
    "other bridge, IPv4": "nobody",
    "other bridge, IPv6": "gateway",
    "itself, IPv4": "nobody",
    "itself, IPv6": "gateway",
  },
  "dual stack": {
    "another host, IPv4": "self",
    "another host, IPv6": "self",
    "the machine, IPv4": "self",
    "the machine, IPv6": "self",
    "the machine, 127.0.0.1": "gateway",
    "the machine, ::1": "gateway",
    "same bridge, IPv4": "gateway",
    "same bridge, IPv6": "gateway",
    "other bridge, IPv4": "gateway",
    "other bridge, IPv6": "gateway",
    "itself, IPv4": "gateway",
    "itself, IPv6": "gateway",
  },
};

const publish = (protocol: "tcp" | "udp"): PortBinding => ({
  protocol,
  containerPort: 80,
  hostPorts: { first: 8080, last: 8080 },
});

test("sctp is translated like the others where the kernel has it, and refused by name where it has not", async () => {
  await using lab = await Lab.create();
  const machine = await lab.segment("192.0.2.0/24").host("machine");
  await using world = await createWorld(machine);
  await world.controller.createNetwork(networkSpec("x1"));
  const portBindings: PortBinding[] = [{ ...publish("tcp"), protocol: "sctp" }];
  const publishing = world.controller.createSandbox(
    sandboxSpec("web", { endpoints: [endpointSpec("x1")], portBindings }),
  );
  const outcome = await publishing.then(
    (sandbox) => sandbox.endpoints()[0]?.published.map(({ protocol }) => protocol),
    (error: Error) => error.message,
  );
  const lacking = "this kernel has no SCTP sockets (CONFIG_IP_SCTP)";
  if (typeof outcome === "string") expect(outcome).toContain(`0.0.0.0:8080/sctp: ${lacking}`);
  else expect(outcome).toEqual(["sctp", "sctp"]);
});

describe.each(["nftables", "iptables"] as const)("source address matrix with %s", (backend) => {
  describe.each(["IPv4 only", "IPv6 only", "dual stack"] as const)("on a network that is %s", (families) => {
    test("a container sees the client's own address wherever the kernel can tell it", async () => {
      await using town = await build(backend, families);
      for (const protocol of ["tcp", "udp"] as const)
        expect(await matrix(town, protocol, expected[families]), protocol).toEqual(expected[families]);
    });
  });
});

interface Town extends AsyncDisposable {
  readonly machine: LabHost;
  readonly peer: LabHost;
  readonly web: LabHost;
  readonly neighbour: LabHost;
  readonly stranger: LabHost;
  /** Whose address it is. */
  readonly owners: ReadonlyMap<string, string>;
}

async function build(backend: "nftables" | "iptables", families: Families): Promise<Town> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await Lab.create());
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const [machine, peer] = [await lan.host("machine"), await lan.host("peer")];
  const forwarder = stack.use(await proxyOn(lab, machine));
  const { controller } = stack.use(await createWorld(machine, { backend, forwarder }));
  for (const [at, name] of ["x1", "x2"].entries())
    await controller.createNetwork(
      networkSpec(name, {
        enableIpv4: families !== "IPv6 only",
        enableIpv6: families !== "IPv4 only",
        ipam: {
          driver: "default",
          pools: [
            ...(families === "IPv6 only" ? [] : [pool(`172.2${at}.0.0/16`)]),
            ...(families === "IPv4 only" ? [] : [pool(`2001:db8:10${at}::/64`)]),
          ],
        },
      }),
    );
  const start = async (name: string, network: string, portBindings: readonly PortBinding[] = []) => {
    const sandbox = await controller.createSandbox(
      sandboxSpec(name, { endpoints: [endpointSpec(network)], portBindings }),
    );
    return { sandbox, host: stack.use(await inside(name, sandbox.netnsPath)) };
  };
  const web = await start("web", "x1", [publish("tcp"), publish("udp")]);
  const neighbour = await start("neighbour", "x1");
  const stranger = await start("stranger", "x2");
  for (const protocol of ["tcp", "udp"] as const)
    for (const address of ["0.0.0.0", "::"])
      stack.use(await web.host.listen(address, 80, { protocol, reply: "web" }));
  const owners = new Map<string, string>();
  for (const host of [machine, peer])
    for (const address of host.addresses) owners.set(formatAddress(address), host.name);
  for (const { sandbox } of [web, neighbour, stranger]) note(owners, sandbox);
  const hosts = { machine, peer, web: web.host, neighbour: neighbour.host, stranger: stranger.host };
  const moved = stack.move();
  return { ...hosts, owners, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

function note(owners: Map<string, string>, sandbox: Sandbox): void {
  for (const { ipv4, ipv6, gatewayIpv4, gatewayIpv6 } of sandbox.endpoints()) {
    for (const own of [ipv4, ipv6])
      if (own) owners.set(formatAddress(own.address), sandbox.spec.containerName);
    for (const gateway of [gatewayIpv4, gatewayIpv6])
      if (gateway) owners.set(formatAddress(gateway), "gateway");
  }
}

/** Waits for an answer where one is expected. */
async function matrix(town: Town, protocol: "tcp" | "udp", wanted: Matrix): Promise<Matrix> {
  const hosts = {
    "another host": town.peer,
    "the machine": town.machine,
    "same bridge": town.neighbour,
    "other bridge": town.stranger,
    itself: town.web,
  };
  const seen: Record<string, string> = {};
  for (const client of clients) {
    const [place = "", way = ""] = client.split(", ");
    const host = hosts[place as keyof typeof hosts];
    const target = way === "IPv4" ? "192.0.2.1" : way === "IPv6" ? "2001:db8:2::1" : way;
    seen[client] = await sawWhom(town, host, `${target.includes(":") ? `[${target}]` : target}:8080`, {
      protocol,
      timeoutMs: wanted[client] === "nobody" ? 500 : 10_000,
    });
  }
  return seen as Matrix;
}

/** Whose address the container saw; `nobody` when no answer came. */
async function sawWhom(town: Town, client: LabHost, target: string, options: AskOptions): Promise<string> {
  const answer = await client.ask(target, options).catch((error: Error) => error);
  if (answer instanceof Error) return "nobody";
  const address = answer.split(" ")[1] ?? "";
  const owner = town.owners.get(address) ?? address;
  return owner === client.name ? "self" : owner;
}
