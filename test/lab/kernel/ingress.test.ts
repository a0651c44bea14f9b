// A namespace that leads ports from outside to endpoints on a network, with real packets:
// client - LAN - gate - network - endpoints.

import { afterEach, beforeEach, expect, test } from "vitest";
import { listConntrack, writeSysctl } from "../../../src/kernel/index.ts";
import { openNftables, setIngress } from "../../../src/kernel/nftables/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import { Lab, type LabHost, type Protocol } from "../lab.ts";

let lab: Lab;
let client: LabHost;
let gate: LabHost;
let servers: LabHost[];

beforeEach(async () => {
  lab = await Lab.create();
  const network = lab.segment("198.51.100.0/24", "2001:db8:1::/64");
  const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
  gate = await network.host("gate");
  servers = [await network.host("a"), await network.host("b")];
  await lan.attach(gate);
  client = await lan.host("client");
  await writeSysctl("net.ipv4.ip_forward", "1", gate.netns);
  await writeSysctl("net.ipv6.conf.all.forwarding", "1", gate.netns);
});
afterEach(() => lab[Symbol.asyncDispose]());

function address(text: string) {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(text);
  return parsed;
}

/** Port 8080 leads to port 80 of these hosts. */
async function open(protocol: Protocol, ...backends: readonly LabHost[]): Promise<void> {
  const addresses = backends.flatMap((host) => ([4, 6] as const).map((it) => address(host.address(it))));
  const ports = [{ protocol, port: 8080, targetPort: 80, backends: addresses }];
  await setIngress(gate.netns, { link: "eth0", ports });
}

const outside = { 4: "192.0.2.1:8080", 6: "[2001:db8::1]:8080" } as const;

async function serve(protocol: Protocol): Promise<AsyncDisposable> {
  const listeners = await Promise.all(
    servers.flatMap((host) => [
      host.listen("0.0.0.0", 80, { protocol }),
      host.listen("::", 80, { protocol }),
    ]),
  );
  return {
    async [Symbol.asyncDispose]() {
      for (const listener of listeners) await listener.close();
    },
  };
}

// IPv6 waits for the gate's link-local addresses, without which it asks nobody for a MAC
async function answers(family: 4 | 6, protocol: Protocol): Promise<string[]> {
  const all = await Promise.all(Array.from({ length: 60 }, () => client.ask(outside[family], { protocol })));
  return [...new Set(all)].sort();
}

test.each([
  [4, "tcp"],
  [4, "udp"],
  [6, "tcp"],
] as const)(
  "what comes to a port is shared by all endpoints, over IPv%i and %s",
  async (family, protocol) => {
    await using _ = await serve(protocol);
    await open(protocol, ...servers);
    const own = gate.address(family);
    // endpoints see the gate, since their answers must come back by it
    expect(await answers(family, protocol)).toEqual([
      expect.stringContaining(`a ${own}`),
      expect.stringContaining(`b ${own}`),
    ]);
  },
);

test("a port without endpoints refuses at once, and flows to one that is gone are cut", async () => {
  await using _ = await serve("udp");
  const [a, b] = servers as [LabHost, LabHost];
  await open("udp", a);
  expect(await client.ask(outside[4], { protocol: "udp" })).toMatch(/^a /);
  await open("udp", b);
  expect(await listConntrack({ family: 4, replySource: address(a.address(4)) }, gate.netns)).toEqual([]);
  await open("udp");
  await expect(client.ask(outside[4], { protocol: "udp" })).rejects.toThrow("ECONNREFUSED");
  await expect(client.ask(outside[4])).rejects.toThrow("ECONNREFUSED");
});

test("nothing but what is published passes, in either direction", async () => {
  await using _ = await serve("tcp");
  await open("tcp", ...servers);
  const [a] = servers as [LabHost, LabHost];
  await client.routeVia([address("192.0.2.1"), address("2001:db8::1")]);
  await a.routeVia([address(gate.address(4)), address(gate.address(6))]);
  await using _outside = await client.listen("0.0.0.0", 99);
  await expect(client.ask(`${a.address(4)}:80`, { timeoutMs: 300 })).rejects.toThrow();
  await expect(a.ask(`${client.address(4)}:99`, { timeoutMs: 300 })).rejects.toThrow();
  await expect(a.ask(`${gate.address(4)}:8080`)).rejects.toThrow("ECONNREFUSED");
});

test("repeating what is wished changes nothing", async () => {
  await open("tcp", ...servers);
  await using nftables = await openNftables(gate.netns);
  const before = await nftables.generation();
  await open("tcp", ...servers);
  expect(await nftables.generation()).toBe(before);
});

test("an endpoint that answers by the gate sees clients as they are, but for those excepted", async () => {
  await using _ = await serve("tcp");
  const [a] = servers as [LabHost, LabHost];
  const addresses = ([4, 6] as const).map((family) => address(a.address(family)));
  await a.routeVia(gate.addresses.slice(0, 2));
  const ports = [{ protocol: "tcp", port: 8080, targetPort: 80, backends: addresses }] as const;
  const set = (...except: string[]) =>
    setIngress(gate.netns, { link: "eth0", ports, direct: { addresses, except: except.map(address) } });
  await set();
  for (const family of [4, 6] as const)
    expect(await client.ask(outside[family])).toBe(`a ${client.address(family)}`);
  await set(client.address(4));
  expect(await client.ask(outside[4])).toBe(`a ${gate.address(4)}`);
  expect(await client.ask(outside[6])).toBe(`a ${client.address(6)}`);
});
