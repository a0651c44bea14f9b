// What our messages make, as nft prints it and as dumps give it back.

import dgram from "node:dgram";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bindSocket } from "../../../src/kernel/index.ts";
import {
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  concatenate,
  counter,
  ctState,
  deleteElements,
  deleteTable,
  dnatBy,
  equals,
  field,
  flushChain,
  flushSet,
  hasBits,
  hostNumber,
  inRange,
  inSet,
  intervalElements,
  linkField,
  localAddressKind,
  masked,
  masquerade,
  type Nftables,
  openNftables,
  portField,
  type RulesetEvent,
  setDnsRedirect,
  snatBy,
  verdict,
  verdictBy,
  watchNftables,
} from "../../../src/kernel/nftables/index.ts";
import { address, type Host, Lab } from "../../conformance/firewall/lab.ts";

const table = { family: "inet", name: "t" } as const;
const isIpv4 = equals(field.family, Uint8Array.of(2));
const tcp = Uint8Array.of(6);

let lab: Lab;
let host: Host;
let nftables: Nftables;
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
  nftables = await openNftables(host.netns);
});
afterEach(async () => {
  await nftables.close();
  await lab[Symbol.asyncDispose]();
});

const list = async () => (await host.run("nft list ruleset")).replaceAll(/\s+/g, " ");

test("nft prints back what was meant: chains and rules", async () => {
  await nftables.commit([
    addTable(table),
    addChain(table, { name: "pre", hook: { type: "nat", at: "prerouting", priority: -100 } }),
    addChain(table, { name: "fwd", hook: { type: "filter", at: "forward", priority: 0, policy: "drop" } }),
    addChain(table, { name: "post", hook: { type: "nat", at: "postrouting", priority: 100 } }),
    addChain(table, { name: "more" }),
    addSet(
      table,
      { name: "ports", key: ["inet_proto", "inet_service"], data: ["ipv4_addr", "inet_service"] },
      1,
    ),
    addSet(table, { name: "snats", key: ["ipv4_addr"], interval: true, data: ["ipv4_addr"] }, 2),
    addSet(table, { name: "ways", key: ["nf_proto", "ifname"], data: "verdict" }, 3),
    addSet(table, { name: "links", key: ["ifname"] }, 4),
    addRule(table, "pre", [
      equals(field.targetKind, hostNumber(localAddressKind)),
      isIpv4,
      dnatBy("ip", [field.protocol, field.targetPort], "ports", { withPort: true }),
    ]),
    addRule(table, "fwd", [verdictBy([field.family, field.outLink], "ways")]),
    addRule(table, "fwd", [hasBits(field.ctState, ctState.established | ctState.related), verdict("accept")]),
    addRule(
      table,
      "fwd",
      [inSet([field.inLink], "links", { not: true }), verdict({ jump: "more" })],
      "foreign",
    ),
    addRule(table, "more", [
      equals(field.protocol, tcp),
      inRange(field.targetPort, portField(80), portField(90)),
      counter,
      verdict("return"),
    ]),
    addRule(table, "post", [
      isIpv4,
      masked(
        field.ipSource,
        Uint8Array.of(127, 0, 0, 0).map((byte) => (byte ? 255 : 0)),
        Uint8Array.of(127, 0, 0, 0),
      ),
      masquerade,
    ]),
    addRule(table, "post", [isIpv4, snatBy("ip", [field.ipSource], "snats")]),
  ]);
  const text = await list();
  for (const line of [
    "chain pre { type nat hook prerouting priority dstnat; policy accept; fib daddr type local meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports }",
    'chain fwd { type filter hook forward priority filter; policy drop; meta nfproto . oifname vmap @ways ct state established,related accept iifname != @links jump more comment "foreign" }',
    "tcp dport 80-90 counter packets 0 bytes 0 return",
    "ip saddr 127.0.0.0/8 masquerade snat ip to ip saddr map @snats",
  ])
    expect(text).toContain(line);
});

test("nft prints back what was meant: elements of every kind of set", async () => {
  const network = (third: number) =>
    [Uint8Array.of(10, 0, third, 0), Uint8Array.of(10, 0, third, 255)] as const;
  const port = (number: number) => concatenate(tcp, portField(number));
  await nftables.commit([
    addTable(table),
    addChain(table, { name: "c" }),
    addSet(table, { name: "links", key: ["ifname"] }, 1),
    addSet(table, { name: "nets", key: ["ipv4_addr"], interval: true }, 2),
    addSet(
      table,
      { name: "ranges", key: ["inet_proto", "inet_service"], interval: true, data: ["ipv4_addr"] },
      3,
    ),
    addSet(table, { name: "ways", key: ["nf_proto", "ifname"], data: "verdict" }, 4),
    ...addElements(table, "links", [{ key: linkField("br0") }]),
    ...addElements(table, "nets", [...intervalElements(...network(0)), ...intervalElements(...network(1))]),
    ...addElements(table, "ranges", [{ key: port(20), keyEnd: port(29), data: Uint8Array.of(10, 0, 0, 2) }]),
    ...addElements(table, "ways", [
      { key: concatenate(Uint8Array.of(10), linkField("br0")), data: { goto: "c" } },
      { key: concatenate(Uint8Array.of(2), linkField("br0")), data: "drop" },
    ]),
  ]);
  const text = await list();
  expect(text).toContain('elements = { "br0" }');
  expect(text).toContain("elements = { 10.0.0.0/24, 10.0.1.0/24 }");
  expect(text).toContain("elements = { tcp . 20-29 : 10.0.0.2 }");
  expect(text).toContain('ipv6 . "br0" : goto c');
  expect(text).toContain('ipv4 . "br0" : drop');
});

test("dumps give back what was put in", async () => {
  await nftables.commit([
    addTable(table),
    addChain(table, { name: "c", hook: { type: "filter", at: "input", priority: -5, policy: "drop" } }),
    addRule(table, "c", [counter], "why"),
    addSet(table, { name: "ports", key: ["inet_service"], data: "verdict" }, 1),
    ...addElements(table, "ports", [{ key: portField(80), data: "accept" }]),
  ]);
  expect(await nftables.tables()).toMatchObject([table]);
  expect(await nftables.chains(table)).toEqual([
    { table: "t", name: "c", hook: { type: "filter", at: "input", priority: -5, policy: "drop" } },
  ]);
  expect(await nftables.rules(table)).toMatchObject([
    { chain: "c", comment: "why", expressions: ["counter"] },
  ]);
  expect((await nftables.sets(table)).map(({ name }) => name)).toEqual(["ports"]);
  expect(await nftables.elements(table, "ports")).toEqual([
    { key: Buffer.from(portField(80)), data: "accept" },
  ]);
  await expect(nftables.elements(table, "none")).rejects.toMatchObject({ code: "ENOENT" });
});

test("ten thousand elements come and go in one transaction each", async () => {
  const elements = Array.from({ length: 10_000 }, (_, at) => ({ key: portField(at) }));
  await nftables.commit([addTable(table), addSet(table, { name: "s", key: ["inet_service"] }, 1)]);
  const before = await nftables.generation();
  await nftables.commit(addElements(table, "s", elements));
  expect(await nftables.elements(table, "s")).toHaveLength(10_000);
  await nftables.commit(deleteElements(table, "s", elements));
  expect(await nftables.elements(table, "s")).toEqual([]);
  expect(await nftables.generation()).toBe(before + 2);
});

test("a refused message undoes its whole transaction, and the error names it", async () => {
  const failing = nftables.commit([addTable(table), addRule(table, "nowhere", [counter]), addTable(table)]);
  await expect(failing).rejects.toMatchObject({
    code: "ENOENT",
    message: "nft add rule inet t nowhere: no such file or directory",
  });
  expect(await nftables.tables()).toEqual([]);
});

test("a transaction that builds on an older ruleset is refused", async () => {
  const generation = await nftables.generation();
  await nftables.commit([addTable(table)], { generation });
  await expect(nftables.commit([deleteTable(table)], { generation })).rejects.toMatchObject({ errno: 85 });
});

test("chains and sets are flushed in place", async () => {
  await nftables.commit([
    addTable(table),
    addChain(table, { name: "c" }),
    addRule(table, "c", [counter]),
    addSet(table, { name: "s", key: ["inet_service"] }, 1),
    ...addElements(table, "s", [{ key: portField(1) }]),
  ]);
  await nftables.commit([flushChain(table, "c"), flushSet(table, "s")]);
  expect(await nftables.rules(table)).toEqual([]);
  expect(await nftables.elements(table, "s")).toEqual([]);
});

test("every transaction is told of, with its tables and whether it was ours", async () => {
  const events: RulesetEvent[] = [];
  let told = () => undefined as unknown;
  using _ = await watchNftables(host.netns, (event) => {
    events.push(event);
    told();
  });
  const next = () => new Promise<unknown>((resolve) => (told = () => resolve(undefined)));
  let event = next();
  await nftables.commit([addTable(table)]);
  await event;
  event = next();
  await host.run("nft delete table inet t");
  await event;
  expect(events).toMatchObject([
    { kind: "changed", tables: [table], byUs: true },
    { kind: "changed", tables: [table], byUs: false, process: "nft" },
  ]);
});

test("127.0.0.11:53 leads to the resolver's ports while the container listens on port 53 itself", async () => {
  const listen = async (at: string, port: number, answer: string) => {
    const fd = await bindSocket({ netns: host.netns, protocol: "udp", address: address(at), port });
    const socket = dgram.createSocket("udp4");
    socket.on("message", (_, from) => socket.send(answer, from.port, from.address));
    await new Promise<void>((bound) => socket.bind({ fd }, bound));
    return { [Symbol.dispose]: () => socket.close() };
  };
  using _resolver = await listen("127.0.0.11", 4053, "resolver");
  using _own = await listen("0.0.0.0", 53, "own server");
  const asks = (to: string) => host.ask({ protocol: "udp", to, port: 53 });
  await setDnsRedirect(host.netns, { udp: 4000, tcp: 4000 });
  await setDnsRedirect(host.netns, { udp: 4053, tcp: 4053 });
  expect([await asks("127.0.0.11"), await asks("127.0.0.1")]).toEqual(["resolver", "own server"]);
  // a chain for translation would have all packets of the container tracked
  expect(await list()).not.toContain("nat");
  await setDnsRedirect(host.netns, undefined);
  await setDnsRedirect(host.netns, undefined);
  expect(await asks("127.0.0.11")).not.toBe("resolver");
  expect(await nftables.tables()).toEqual([]);
});
