// Connections end with the mapping or the container that they were for, and no others do.

import dgram from "node:dgram";
import net from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { OwnedFirewall, Rule } from "../../../src/firewall/index.ts";
import { bindSocket, listConntrack, openConntrack } from "../../../src/kernel/index.ts";
import { parseMac } from "../../../src/netip/index.ts";
import { address, type Host } from "../../conformance/firewall/lab.ts";
import { allow, bridge, portGroups, publish, usual } from "../../conformance/firewall/rules.ts";
import { buildTown, type Town } from "../../conformance/firewall/town.ts";
import { everyStep } from "../steps.ts";
import { addUnrelated } from "./entries.ts";
import { choices, startFirewall, withOwnLock } from "./world.ts";

// the lock of iptables-legacy is the machine's: what others do there, beside this test, is not to end a gap that it makes
vi.mock(import("../../../src/kernel/iptables/lock.ts"), () => ({
  watchIptablesLock: () => ({ [Symbol.dispose]: () => undefined }),
}));

let town: Town;
let firewall: OwnedFirewall | undefined;
beforeEach(async () => {
  town = await buildTown({ bridgeNetfilter: false });
});
afterEach(async () => {
  const started = firewall;
  firewall = undefined;
  await everyStep(
    async () => await started?.stop(),
    async () => await town[Symbol.asyncDispose](),
  );
});

const both = [
  ["nftables", choices.nftables],
  ["iptables-nft", choices["iptables-nft"]],
] as const;

const udp = { protocol: "udp" } as const;
const families = [
  { family: 4, host: "192.0.2.1", c1: "172.20.1.2", c2: "172.20.1.3", peer: "192.0.2.2" },
  { family: 6, host: "2001:db8:a::1", c1: "fd00:1::2", c2: "fd00:1::3", peer: "2001:db8:a::2" },
] as const;

/** How many connections there are of these; the machine's other namespaces do not count. */
async function count(filter: Parameters<typeof listConntrack>[0]): Promise<number> {
  return (await listConntrack(filter, town.host.netns)).length;
}

describe.each(families)("IPv$family", ({ family, host, c1, c2, peer }) => {
  test("of 50,000 connections those of a removed mapping go, and only those", async () => {
    firewall = await startFirewall(town.host, choices.nftables, usual());
    await firewall.set("kept", [publish("8080", c1, "80", udp)]);
    await firewall.set("gone", [publish("8081", c1, "81", udp), publish("8081", c1, "81")]);
    expect(await town.peer.ask({ to: host, port: 8080, ...udp })).toContain("c1:80");
    expect(await town.peer.ask({ to: host, port: 8081, ...udp })).toContain("c1:81");
    expect(await town.peer.ask({ to: host, port: 8081 })).toContain("c1:81");
    await addUnrelated(town.host.netns, family, 50_000);
    await firewall.set("gone", []);
    // a protocol beside the port lets the kernel look for it
    for (const protocol of [6, 17])
      await expect.poll(() => count({ family, protocol, originalDestinationPort: 8081 })).toBe(0);
    expect(await count({ family, protocol: 17, originalDestinationPort: 8080 })).toBe(1);
    expect(await count({ family, protocol: 17, originalDestinationPort: 443 })).toBe(50_000);
  });

  test("a container that leaves takes its connections along, its neighbour keeps them", async () => {
    firewall = await startFirewall(town.host, choices.nftables, usual());
    await firewall.set("c1", [guard("p1-0", c1)]);
    await firewall.set("c2", [guard("p1-1", c2)]);
    await addUnrelated(town.host.netns, family, 1_000);
    expect(await town.c1.ask({ to: peer, port: 80 })).toContain("peer:80");
    expect(await town.c2.ask({ to: peer, port: 80 })).toContain("peer:80");
    await firewall.set("c1", []);
    await expect.poll(() => count({ family, originalSource: address(c1) })).toBe(0);
    expect(await count({ family, originalSource: address(c2) })).toBe(1);
    expect(await count({ family, originalDestinationPort: 443 })).toBe(1_000);
  });
});

describe.each(both)("%s", (_, choice) => {
  test("a sender at 1 kpps from one port reaches the container that has the port now, and no other", async () => {
    firewall = await startFirewall(town.host, choice, usual());
    await firewall.set("ports", [publish("7000", "172.20.1.2", "7000", udp)]);
    await using first = await listen(town.c1, 7000);
    await using second = await listen(town.c2, 7000);
    await using bystander = await listen(town.c3, 7000);
    await using itself = await listen(town.host, 7000);
    await using sender = await stream(town.peer, "192.0.2.1", 7000);
    await expect.poll(() => first.heard()).toBeGreaterThan(20);
    const heardBefore = itself.heard();
    await firewall.set("ports", []);
    await expect.poll(() => itself.heard()).toBeGreaterThan(heardBefore);
    const old = first.heard();
    await firewall.set("ports", [publish("7000", "172.20.1.3", "7000", udp)]);
    await expect.poll(() => second.heard()).toBeGreaterThan(20);
    expect(first.heard()).toBe(old);
    expect(bystander.heard()).toBe(0);
    expect(sender.sent()).toBeGreaterThan(0);
  });

  test("a port that moves from one container to another in one step takes its sender along", async () => {
    firewall = await startFirewall(town.host, choice, usual());
    await firewall.set("ports", [publish("7000", "172.20.1.2", "7000", udp)]);
    await using first = await listen(town.c1, 7000);
    await using second = await listen(town.c2, 7000);
    await using _sender = await stream(town.peer, "192.0.2.1", 7000);
    await expect.poll(() => first.heard()).toBeGreaterThan(20);
    await firewall.set("ports", [publish("7000", "172.20.1.3", "7000", udp)]);
    await expect.poll(() => second.heard()).toBeGreaterThan(20);
    const old = first.heard();
    const now = second.heard();
    await expect.poll(() => second.heard()).toBeGreaterThan(now + 20);
    expect(first.heard()).toBe(old);
  });

  test("an open connection to a published port ends when the port does", async () => {
    firewall = await startFirewall(town.host, choice, usual());
    await firewall.set("ports", [
      publish("9000", "172.20.1.2", "9000"),
      publish("9001", "172.20.1.2", "9000"),
    ]);
    await using echo = await serveEcho(town.c1, 9000);
    await using going = await connect(town.peer, "192.0.2.1", 9000);
    await using staying = await connect(town.peer, "192.0.2.1", 9001);
    expect(await going.say("one")).toBe("one");
    expect(await staying.say("one")).toBe("one");
    await firewall.set("ports", [publish("9001", "172.20.1.2", "9000")]);
    await expect.poll(() => count({ family: 4, originalDestinationPort: 9000 })).toBe(0);
    expect(await going.say("two")).toBe("ECONNRESET");
    expect(await staying.say("two")).toBe("two");
    expect(echo.connections()).toBe(2);
  });

  test("an open connection of a trusted neighbour to a container's own port ends when the port is closed", async () => {
    const trusting = bridge("br1", { trustedLinks: ["eth0"] });
    const [first, second] = ["9000", "9001"].map((port) => allow("172.20.1.2", port, "trusted"));
    firewall = await startFirewall(town.host, choice, [trusting, bridge("br2")]);
    await firewall.set(
      "ports",
      [first, second].flatMap((rule) => rule ?? []),
    );
    await using _first = await serveEcho(town.c1, 9000);
    await using _second = await serveEcho(town.c1, 9001);
    await using going = await connect(town.peer, "172.20.1.2", 9000);
    await using staying = await connect(town.peer, "172.20.1.2", 9001);
    expect(await going.say("one")).toBe("one");
    expect(await staying.say("one")).toBe("one");
    await firewall.set("ports", [allow("172.20.1.2", "9001-9002", "trusted")]);
    await expect.poll(() => count({ family: 4, originalDestinationPort: 9000 })).toBe(0);
    const heard: string[] = [];
    void going.say("two").then((text) => heard.push(text));
    for (const word of ["two", "three"]) expect(await staying.say(word)).toBe(word);
    expect(heard).toEqual([]);
    expect(await count({ family: 4, originalDestinationPort: 9000 })).toBe(0);
  });

  test.each([
    { family: 4, c1: "172.20.1.2", peer: "192.0.2.2" },
    { family: 6, c1: "fd00:1::2", peer: "2001:db8:a::2" },
  ] as const)(
    "IPv$family: a routed port that is closed cuts its connections, whoever speaks next, and no others",
    async ({ family, c1, peer }) => {
      const routed = { gatewayMode: { 4: "routed", 6: "routed" }, source: { 4: "keep", 6: "keep" } } as const;
      firewall = await startFirewall(town.host, choice, [bridge("br1", routed), bridge("br2")]);
      await firewall.set("ports", [allow(c1, "9000"), allow(c1, "9001")]);
      await using closed = await serveEcho(town.c1, 9000, c1);
      await using open = await serveEcho(town.c1, 9001, c1);
      await using outside = await serveEcho(town.peer, 9000, peer);
      await using going = await connect(town.peer, c1, 9000);
      await using staying = await connect(town.peer, c1, 9001);
      await using outgoing = await connect(town.c1, peer, 9000);
      for (const connection of [going, staying, outgoing]) expect(await connection.say("one")).toBe("one");
      await firewall.set("ports", [allow(c1, "9001")]);
      const its = { family, protocol: 6, originalDestination: address(c1) } as const;
      await expect.poll(() => count({ ...its, originalDestinationPort: 9000 })).toBe(0);
      closed.tell("anybody there?");
      // round trips in which the other's word would have come
      for (const word of ["two", "three"]) expect(await staying.say(word)).toBe(word);
      expect(going.heard()).toEqual(["one"]);
      expect(await count({ family, protocol: 6, originalSource: address(c1) }), "flows of c1's own").toBe(1);
      // what the kernel has forgotten of a port that is open, or of a container's own connection, it learns anew
      await forgetAll(family);
      open.tell("four");
      await expect.poll(() => staying.heard()).toEqual(["one", "two", "three", "four"]);
      expect(await outgoing.say("two")).toBe("two");
      expect(outside.connections()).toBe(1);
      expect(going.heard()).toEqual(["one"]);
    },
  );
});

test("what a sender began while the rules were away does not go on after the repair", async () => {
  // nobody tells of what iptables-legacy does: the gap is as long as this test wants it
  const rules = usual(publish("7000", "172.20.1.2", "7000", udp));
  firewall = await startFirewall(town.host, choices["iptables-legacy"], rules);
  await using container = await listen(town.c1, 7000);
  await using itself = await listen(town.host, 7000);
  await using outside = await listen(town.attacker, 7001);
  await town.host.run(withOwnLock("iptables-legacy -t nat -F"));
  await using _sender = await stream(town.peer, "192.0.2.1", 7000);
  await using _leaver = await stream(town.c2, "198.51.100.2", 7001);
  await expect.poll(() => itself.heard()).toBeGreaterThan(0);
  await expect.poll(() => outside.heard()).toBeGreaterThan(0);
  const bare = { family: 4, originalDestinationPort: 7001, replyDestination: address("172.20.1.3") } as const;
  expect(await count(bare)).toBe(1);
  expect(container.heard()).toBe(0);
  expect(await firewall.resync()).toBe(true);
  await expect.poll(() => container.heard()).toBeGreaterThan(20);
  await expect.poll(() => count(bare)).toBe(0);
});

function guard(port: string, at: string): Rule {
  const mac = parseMac("02:00:00:00:00:01");
  if (!mac) throw new Error("unreachable");
  return {
    kind: "guard",
    link: "br1",
    port,
    portGroup: portGroups.br1,
    mac,
    addresses: [address(at)],
    antispoof: "off",
  };
}

async function socketIn(host: Host, port: number): Promise<dgram.Socket> {
  const fd = await bindSocket({ netns: host.netns, protocol: "udp", address: address("0.0.0.0"), port });
  const socket = dgram.createSocket("udp4");
  await new Promise<void>((bound) => socket.bind({ fd }, bound));
  return socket.on("error", () => undefined);
}

/** Counts datagrams and answers none. */
async function listen(host: Host, port: number): Promise<{ heard(): number } & AsyncDisposable> {
  const socket = await socketIn(host, port);
  let heard = 0;
  socket.on("message", () => heard++);
  return { heard: () => heard, [Symbol.asyncDispose]: async () => void socket.close() };
}

/** Sends a datagram each millisecond from one port. */
async function stream(host: Host, to: string, port: number): Promise<{ sent(): number } & AsyncDisposable> {
  const socket = await socketIn(host, 4000);
  let sent = 0;
  const timer = setInterval(() => socket.send(String(sent++), port, to, () => undefined), 1);
  const end = async () => {
    clearInterval(timer);
    socket.close();
  };
  return { sent: () => sent, [Symbol.asyncDispose]: end };
}

async function forgetAll(family: 4 | 6): Promise<void> {
  await using conntrack = await openConntrack(town.host.netns);
  await conntrack.deleteAny([{ filter: { family }, isUnwanted: () => true }]);
}

interface Echo extends AsyncDisposable {
  connections(): number;
  /** Says something to each of them. */
  tell(text: string): void;
}

async function serveEcho(host: Host, port: number, at = "0.0.0.0"): Promise<Echo> {
  const spec = { netns: host.netns, protocol: "tcp", address: address(at), port, listen: 8 } as const;
  const fd = await bindSocket(spec);
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket.on("error", () => undefined));
    socket.pipe(socket);
  });
  await new Promise<void>((listening) => server.listen({ fd }, listening));
  const end = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  const tell = (text: string) => {
    for (const socket of sockets) socket.write(text);
  };
  return { connections: () => sockets.length, tell, [Symbol.asyncDispose]: end };
}

async function connect(host: Host, to: string, port: number) {
  const own = address(to.includes(":") ? "::" : "0.0.0.0");
  const fd = await bindSocket({ netns: host.netns, protocol: "tcp", address: own, port: 0 });
  const socket = new net.Socket({ fd, readable: true, writable: true });
  await new Promise<void>((connected) => socket.connect({ host: to, port }, connected));
  const heard: string[] = [];
  socket.on("data", (bytes) => heard.push(`${bytes}`));
  // it may break before the next word: a late acknowledgement meets the closed port too
  const broken = new Promise<string>((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
  const say = (text: string) => {
    const answered = new Promise<string>((resolve) => {
      socket.once("data", (bytes) => resolve(`${bytes}`));
    });
    socket.write(text, () => undefined);
    return Promise.race([answered, broken]);
  };
  return { say, heard: () => heard, [Symbol.asyncDispose]: async () => void socket.destroy() };
}
