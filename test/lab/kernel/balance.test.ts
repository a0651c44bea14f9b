// Services' virtual addresses inside one namespace, with real packets.

import { afterEach, beforeEach, expect, test } from "vitest";
import { listConntrack } from "../../../src/kernel/index.ts";
import { openNftables, setBalance } from "../../../src/kernel/nftables/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import { Lab, type LabHost, type Protocol } from "../lab.ts";
import { everyStep } from "../steps.ts";

let lab: Lab;
let client: LabHost;
let servers: LabHost[];

const vips = { 4: "192.0.2.200", 6: "2001:db8::200" } as const;

beforeEach(async () => {
  lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
  client = await lan.host("client");
  servers = [await lan.host("a"), await lan.host("b"), await lan.host("c")];
});
afterEach(async () => {
  await everyStep(
    () => setBalance(client.netns, undefined),
    () => lab[Symbol.asyncDispose](),
  );
});

function address(text: string) {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(text);
  return parsed;
}

/** Both families' addresses of these hosts serve. */
async function balance(...backends: readonly LabHost[]): Promise<void> {
  await setBalance(
    client.netns,
    ([4, 6] as const).map((family) => ({
      vip: address(vips[family]),
      backends: backends.map((host) => address(host.address(family))),
    })),
  );
}

const target = (family: 4 | 6) => (family === 4 ? `${vips[4]}:80` : `[${vips[6]}]:80`);

async function answers(family: 4 | 6, protocol: Protocol, count: number): Promise<Map<string, number>> {
  const all = await Promise.all(
    Array.from({ length: count }, () => client.ask(target(family), { protocol })),
  );
  const names = Map.groupBy(all, (answer) => answer.split(" ")[0] ?? "");
  return new Map([...names].map(([name, group]) => [name, group.length]));
}

async function serve(protocol: Protocol): Promise<AsyncDisposable> {
  const listeners = await Promise.all(
    [client, ...servers].flatMap((host) => [
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

test.each([
  [4, "tcp"],
  [4, "udp"],
  [6, "tcp"],
  [6, "udp"],
] as const)("connections are shared by all backends, over IPv%i and %s", async (family, protocol) => {
  await using _ = await serve(protocol);
  await balance(...servers);
  const shared = await answers(family, protocol, 150);
  expect([...shared.keys()].sort()).toEqual(["a", "b", "c"]);
  // 50 ± 5.8: seven standard deviations
  for (const count of shared.values()) expect(count).toBeGreaterThan(10);
});

test("backends come and go, and repeating what is wished changes nothing", async () => {
  await using _ = await serve("tcp");
  const names = async (family: 4 | 6) => [...(await answers(family, "tcp", 60)).keys()].sort();
  await balance(...servers);
  await balance(...servers.slice(0, 2));
  expect([await names(4), await names(6)]).toEqual([
    ["a", "b"],
    ["a", "b"],
  ]);
  await using nftables = await openNftables(client.netns);
  const before = await nftables.generation();
  await balance(...servers.slice(0, 2));
  expect(await nftables.generation()).toBe(before);
  await balance(...servers.slice(1));
  expect(await names(4)).toEqual(["b", "c"]);
});

test("a client that is a backend itself is served by itself too", async () => {
  await using _ = await serve("tcp");
  await balance(client);
  expect(await client.ask(target(4))).toMatch(/^client /);
  expect(await client.ask(target(6))).toMatch(/^client /);
});

test("an echo request to the address is answered", async () => {
  await balance(...servers);
  await client.run("busybox", "ping", "-c1", "-W10", vips[4]);
  await client.run("busybox", "ping6", "-c1", "-W10", vips[6]);
});

test.each([4, 6] as const)("without a backend the address refuses at once, over IPv%i", async (family) => {
  await balance();
  await expect(client.ask(target(family))).rejects.toThrow("ECONNREFUSED");
  await expect(client.ask(target(family), { protocol: "udp" })).rejects.toThrow("ECONNREFUSED");
  await using _ = await serve("tcp");
  await balance(...servers);
  expect(await client.ask(target(family))).toMatch(/^[abc] /);
});

test("a sender's datagrams go to another backend when theirs is gone", async () => {
  await using _ = await serve("udp");
  const [a, b] = servers as [LabHost, LabHost];
  const from = client.address(4);
  await balance(a);
  expect(await client.ask(target(4), { protocol: "udp" })).toMatch(/^a /);
  await balance(b);
  const flows = await listConntrack({ family: 4, originalDestination: address(vips[4]) }, client.netns);
  expect(flows).toEqual([]);
  expect(await client.ask(target(4), { protocol: "udp", from })).toMatch(/^b /);
});

test("what others did to the table is made good, and it goes whole", async () => {
  await using _ = await serve("tcp");
  await balance(...servers);
  await client.run("nft", "flush", "chain", "inet", "tsdocker-services", "balance");
  await balance(...servers);
  expect(await client.ask(target(4))).toMatch(/^[abc] /);
  await client.run("nft", "delete", "table", "inet", "tsdocker-services");
  await balance(...servers);
  expect(await client.ask(target(4))).toMatch(/^[abc] /);
  await setBalance(client.netns, undefined);
  await setBalance(client.netns, undefined);
  expect(await client.run("nft", "list", "tables")).toBe("");
});
