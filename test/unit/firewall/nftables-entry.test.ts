// Rules as elements of the table's sets and maps.

import { expect, test } from "vitest";
import { type Entry, entriesOf } from "../../../src/firewall/nftables/entry.ts";
import { bridgeSets, mainSets } from "../../../src/firewall/nftables/sets.ts";
import type { Rule } from "../../../src/firewall/rules.ts";
import { address, allow, bridge, guard, mac, open, publish } from "./rules.ts";

/** `set key[-key end] [= data]`, bytes in hex without the padding of names. */
function shown(rule: Rule, families: readonly (4 | 6)[] = [4, 6]): string[] {
  return entriesOf(rule, families).map(({ table, set, elements: [first] }) => {
    const data = first?.data instanceof Uint8Array ? hex(first.data) : JSON.stringify(first?.data);
    const end = first?.keyEnd ? `-${hex(first.keyEnd)}` : "";
    return `${table} ${set} ${hex(first?.key)}${end}${data ? ` = ${data}` : ""}`;
  });
}

const hex = (bytes?: Uint8Array) =>
  Buffer.from(bytes ?? [])
    .toString("hex")
    .replace(/00{16,}/g, "..");
const setsOf = (entries: readonly Entry[]) => entries.map(({ set }) => set);

test("a published port is one element", () => {
  expect(shown(publish("8080", "10.1.0.2", "80"))).toEqual([
    "main ports4 060000001f900000 = 0a01000200500000",
  ]);
  expect(setsOf(entriesOf(publish("8080", "10.1.0.2", "80", "192.0.2.1"), [4]))).toEqual(["ports4_at"]);
});

test("a range whose numbers stay is one element, however long", () => {
  expect(shown(publish("20000-29999", "10.1.0.2", "20000-29999"))).toEqual([
    "main port_ranges4 060000004e200000-06000000752f0000 = 0a010002",
  ]);
});

test("a range whose numbers shift is an element for each port", () => {
  expect(shown(publish("8080-8081", "10.1.0.2", "80-81"))).toEqual([
    "main ports4 060000001f900000 = 0a01000200500000",
    "main ports4 060000001f910000 = 0a01000200510000",
  ]);
});

test("allowed ports are exact elements or intervals, and per source where one is given", () => {
  expect(setsOf(entriesOf(allow("10.1.0.2", "80"), [4]))).toEqual(["allow4"]);
  expect(setsOf(entriesOf(allow("10.1.0.2", "80-81"), [4]))).toEqual(["allow_ranges4"]);
  expect(
    entriesOf(allow("10.1.0.2", "80", "10.1.0.3"), [4]).map(({ table, set }) => `${table} ${set}`),
  ).toEqual(["main allow_from4", "bridge allow_from4"]);
  expect(setsOf(entriesOf(allow("10.1.0.2", "80", "trusted"), [4]))).toEqual(["trusted_ports4"]);
  expect(setsOf(entriesOf(allow("10.1.0.2", "80-81", "trusted"), [4]))).toEqual(["trusted_ranges4"]);
});

test("each family of a bridge is judged by its own mode", () => {
  const entries = entriesOf(bridge("b", { gatewayMode: { 4: "nat", 6: "routed" } }), [4, 6]);
  expect(
    entries.filter(({ set }) => set === "from" || set === "to").map(({ set, value }) => `${set} ${value}`),
  ).toEqual([
    'from {"jump":"from_nat"}',
    'to {"goto":"to_nat"}',
    'from {"jump":"from_routed"}',
    'to {"goto":"to_routed"}',
  ]);
});

test("an internal bridge is closed both ways and never translated, whatever else it asks for", () => {
  const entries = entriesOf(
    bridge("b", { internal: true, gatewayMode: { 4: "nat-unprotected", 6: "routed" } }),
    [4],
  );
  expect(entries.map(({ set, value }) => `${set} ${value}`)).toEqual([
    'within "accept"',
    "bridges ",
    'from {"goto":"from_internal"}',
    'to "drop"',
    "inside4 ",
  ]);
});

test("the source is masqueraded, fixed or kept", () => {
  const source = (how: "masquerade" | "keep" | ReturnType<typeof address>) =>
    setsOf(entriesOf(bridge("b", { source: { 4: how, 6: "keep" } }), [4])).slice(4);
  expect(source("masquerade")).toEqual(["inside4", "masquerade4"]);
  expect(source("keep")).toEqual(["inside4"]);
  expect(source(address("192.0.2.7"))).toEqual(["inside4", "snat4"]);
});

test("without IPv6 rules nothing of IPv6 is entered", () => {
  const all = [
    bridge("b", {}, ["10.1.0.0/24", "fd00::/64"]),
    publish("80", "fd00::2", "80"),
    allow("fd00::2", "80"),
  ];
  expect(all.flatMap((rule) => setsOf(entriesOf(rule, [4]))).filter((set) => set.endsWith("6"))).toEqual([]);
});

test("what a container is belongs to its port, and is taken for the others", () => {
  const rule = guard("p1", "02:00:00:00:00:02", ["10.1.0.2"]);
  expect(shown(rule, [4])).toEqual(
    [
      'bridge guards 7031.. = {"goto":"owned"}',
      "bridge own_macs 70310000000000000000000000000000020000000002" + "0000",
      "bridge own4 703100000000000000000000000000000a010002",
      "bridge taken_macs 070000000200000000020000",
      "bridge taken4 070000000a010002",
    ].map((line) => line.replace(/00{16,}/g, "..")),
  );
});

test("an IPv6 container has the link-local address that its MAC makes", () => {
  const entries = entriesOf(guard("p1", "02:00:00:00:00:02", ["fd00::2"]), [4, 6]);
  const taken = entries.filter(({ set }) => set === "taken6").map(({ elements: [first] }) => hex(first?.key));
  expect(taken).toEqual(
    ["07000000fd0000000000000000000000" + "00000002", "07000000fe80000000000000000000fffe000002"].map(
      (line) => line.replace(/00{16,}/g, ".."),
    ),
  );
});

test("a port without a guard may claim what it likes, but not be claimed by others", () => {
  const sets = setsOf(entriesOf(guard("p1", "02:00:00:00:00:02", ["10.1.0.2"], "off"), [4]));
  expect(sets).toEqual(["taken_macs", "taken4"]);
});

test("two containers with one MAC hold one element under two ids", () => {
  const [one, two] = ["p1", "p2"].map((port) =>
    entriesOf(guard(port, "02:00:00:00:00:02", []), [4]).find(({ set }) => set === "taken_macs"),
  );
  expect(one?.elements).toEqual(two?.elements);
  expect(one?.id).not.toBe(two?.id);
  expect(one?.sharedAs).toBe(two?.sharedAs);
});

test("every entry goes into a set of the layout", () => {
  const self = { mac: mac("02:00:00:00:00:01"), addresses: [address("10.1.0.1")] };
  const rules = [
    bridge("b", { icc: false, trustedLinks: ["eth0"], portGroup: 7, self, hostAccess: "none" }, [
      "10.1.0.0/24",
      "fd00::/64",
    ]),
    guard("p1", "02:00:00:00:00:02", ["10.1.0.2", "fd00::2"]),
    ...[4, 6].flatMap((family) => {
      const at = family === 6 ? "2001:db8::1" : "192.0.2.1";
      return [open("80", family as 4 | 6), open("81", family as 4 | 6, at), open("82-90", family as 4 | 6)];
    }),
    ...["10.1.0.2", "fd00::2"].flatMap((target) => {
      const from = target.includes(":") ? "fd00::3" : "10.1.0.3";
      const at = target.includes(":") ? "2001:db8::1" : "192.0.2.1";
      return [
        publish("80", target, "81"),
        publish("80", target, "81", at),
        publish("80-81", target, "80-81"),
        publish("80-81", target, "80-81", at),
        allow(target, "80"),
        allow(target, "80-81"),
        allow(target, "80", from),
        allow(target, "80", "trusted"),
        allow(target, "80-81", "trusted"),
      ];
    }),
  ];
  const known = new Set([
    ...mainSets.map(({ name }) => `main ${name}`),
    ...bridgeSets.map(({ name }) => `bridge ${name}`),
  ]);
  const used = new Set(
    rules.flatMap((rule) => entriesOf(rule, [4, 6]).map(({ table, set }) => `${table} ${set}`)),
  );
  expect([...used].filter((set) => !known.has(set))).toEqual([]);
  expect([...known].filter((set) => !used.has(set) && !set.includes("snat"))).toEqual([]);
});
