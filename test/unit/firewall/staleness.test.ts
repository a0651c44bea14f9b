// Which connections end when a mapping or a container comes or goes.

import { expect, test } from "vitest";
import type { RuleChange } from "../../../src/firewall/ledger.ts";
import type { AllowRule, GuardRule, PublishRule, Rule } from "../../../src/firewall/rules.ts";
import {
  mergeChanges,
  upheavalOf,
  type Walk,
  walksAfterRepair,
  walksFor,
} from "../../../src/firewall/staleness.ts";
import { matches } from "../../../src/kernel/conntrack-messages.ts";
import type { ConntrackEntry } from "../../../src/kernel/index.ts";
import { type Address, sameAddress } from "../../../src/netip/index.ts";
import { address, bridge } from "./rules.ts";

const client = address("192.0.2.9");
const host = address("192.0.2.1");
const container = address("172.18.0.2");
const other = address("172.18.0.3");
const elsewhere = address("198.51.100.7");

interface Flow {
  readonly from?: Address;
  readonly to: Address;
  readonly port: number;
  /** Where it was led; default: nowhere else. */
  readonly led?: { readonly to: Address; readonly port: number };
  readonly protocol?: number;
}

function flow({ from = client, to, port, led = { to, port }, protocol = 17 }: Flow): ConntrackEntry {
  return {
    original: { source: from, destination: to, protocol, sourcePort: 4000, destinationPort: port },
    reply: { source: led.to, destination: from, protocol, sourcePort: led.port, destinationPort: 4000 },
    mark: 0,
    isLedElsewhere: !sameAddress(led.to, to) || led.port !== port,
  };
}

const published: PublishRule = {
  kind: "publish",
  link: "br0",
  protocol: "udp",
  hostPorts: { first: 5000, last: 5009 },
  target: container,
  targetPorts: { first: 6000, last: 6009 },
};

const allowed: AllowRule = {
  kind: "allow",
  link: "br0",
  protocol: "udp",
  target: container,
  targetPorts: { first: 6000, last: 6009 },
};

const endpoint = (...addresses: Address[]) =>
  ({ kind: "guard", port: "veth1", addresses }) as unknown as GuardRule;

const none: readonly Rule[] = [];

/** Whether one of the walks that a change asks for finds the connection. */
function ends({ removed = none, added = none }: Partial<RuleChange>, entry: ConntrackEntry): boolean {
  const upheaval = upheavalOf({ removed, added });
  if (!upheaval) return false;
  const walks = walksFor(upheaval, [host]);
  const isFoundByWalks = isFound(walks, entry);
  // whoever may leave it to the kernel gets the same
  if (walks.every(({ exact }) => exact))
    expect(walks.some(({ exact }) => exact?.some((filter) => matches(entry, filter)))).toBe(isFoundByWalks);
  return isFoundByWalks;
}

function isFound(walks: readonly Walk[], entry: ConntrackEntry): boolean {
  return walks.some(({ filter, isUnwanted }) => matches(entry, filter) && isUnwanted(entry));
}

test("a mapping that went takes the flows that it led along, and no other", () => {
  const gone = { removed: [published] };
  expect(ends(gone, flow({ to: host, port: 5001, led: { to: container, port: 6001 } }))).toBe(true);
  expect(ends(gone, flow({ to: host, port: 9000 }))).toBe(false);
  expect(ends(gone, flow({ to: host, port: 5001, led: { to: other, port: 6001 } }))).toBe(false);
  expect(ends(gone, flow({ to: host, port: 5001, led: { to: container, port: 6002 } }))).toBe(false);
  expect(ends(gone, flow({ to: host, port: 5001, led: { to: container, port: 6001 }, protocol: 6 }))).toBe(
    false,
  );
  // what reached the container at its own address was not the mapping's
  expect(ends(gone, flow({ to: container, port: 6001 }))).toBe(false);
});

test("a container's own port that is closed takes the flows along that asked for it there, and no other", () => {
  const closed = { removed: [allowed] };
  expect(ends(closed, flow({ to: container, port: 6001 }))).toBe(true);
  expect(ends(closed, flow({ to: container, port: 6010 }))).toBe(false);
  expect(ends(closed, flow({ to: container, port: 6001, protocol: 6 }))).toBe(false);
  expect(ends(closed, flow({ to: other, port: 6001 }))).toBe(false);
  expect(ends(closed, flow({ to: host, port: 6001, led: { to: container, port: 6001 } }))).toBe(false);
  expect(ends(closed, flow({ from: container, to: elsewhere, port: 6001 }))).toBe(false);
});

test("a container's own port that stays open in another range keeps its flows", () => {
  const change = { removed: [allowed], added: [{ ...allowed, targetPorts: { first: 6001, last: 7000 } }] };
  expect(ends(change, flow({ to: container, port: 6001 }))).toBe(false);
  expect(ends(change, flow({ to: container, port: 6000 }))).toBe(true);
});

test("a port that was open to one address alone is closed to that one alone", () => {
  const closed = { removed: [{ ...allowed, from: other }] };
  expect(ends(closed, flow({ from: other, to: container, port: 6001 }))).toBe(true);
  expect(ends(closed, flow({ from: client, to: container, port: 6001 }))).toBe(false);
  expect(ends({ ...closed, added: [allowed] }, flow({ from: other, to: container, port: 6001 }))).toBe(false);
});

test("closing ports that are too many for filters is walked for", () => {
  const many = { removed: [{ ...allowed, targetPorts: { first: 6000, last: 6999 } }] };
  expect(ends(many, flow({ to: container, port: 6500 }))).toBe(true);
  expect(ends(many, flow({ to: container, port: 7000 }))).toBe(false);
});

test("a mapping that comes again in other words keeps its flows", () => {
  const half = {
    ...published,
    hostPorts: { first: 5000, last: 5004 },
    targetPorts: { first: 6000, last: 6004 },
  };
  const change = { removed: [published], added: [half] };
  expect(ends(change, flow({ to: host, port: 5001, led: { to: container, port: 6001 } }))).toBe(false);
  expect(ends(change, flow({ to: host, port: 5006, led: { to: container, port: 6006 } }))).toBe(true);
});

test("a mapping that came takes over from the host who was talked to at its ports", () => {
  const come = { added: [published] };
  expect(ends(come, flow({ to: host, port: 5001 }))).toBe(true);
  expect(ends(come, flow({ to: host, port: 53 }))).toBe(false);
  expect(ends(come, flow({ to: host, port: 5001, protocol: 6 }))).toBe(false);
  expect(ends(come, flow({ to: host, port: 5001, led: { to: container, port: 6001 } }))).toBe(false);
});

test("datagrams that only pass through to that port of another machine are left alone", () => {
  expect(ends({ added: [published] }, flow({ to: elsewhere, port: 5001 }))).toBe(false);
});

test("a mapping of one host address concerns that address alone, and 0.0.0.0 is every address", () => {
  const at = (text: string) => ({ added: [{ ...published, hostAddress: address(text) }] });
  expect(ends(at("192.0.2.2"), flow({ to: host, port: 5001 }))).toBe(false);
  expect(ends(at("192.0.2.1"), flow({ to: host, port: 5001 }))).toBe(true);
  expect(ends(at("0.0.0.0"), flow({ to: host, port: 5001 }))).toBe(true);
});

test("a container that went takes every flow along that it is an end of", () => {
  const left = { removed: [endpoint(container, address("fd00::2"))] };
  expect(ends(left, flow({ from: container, to: elsewhere, port: 443, protocol: 6 }))).toBe(true);
  expect(ends(left, flow({ to: container, port: 80, protocol: 6 }))).toBe(true);
  expect(ends(left, flow({ to: host, port: 80, led: { to: container, port: 8080 } }))).toBe(true);
  expect(ends(left, flow({ from: address("fd00::2"), to: address("2001:db8::1"), port: 443 }))).toBe(true);
  expect(ends(left, flow({ from: other, to: elsewhere, port: 443 }))).toBe(false);
});

test("a container whose guard merely changed keeps its flows", () => {
  const change = { removed: [endpoint(container, other)], added: [endpoint(container)] };
  expect(ends(change, flow({ from: container, to: elsewhere, port: 443 }))).toBe(false);
  expect(ends(change, flow({ from: other, to: elsewhere, port: 443 }))).toBe(true);
});

test("what concerns no connection asks for no walk", () => {
  expect(upheavalOf({ removed: [bridge("br1")], added: [bridge("br2")] })).toBeUndefined();
  expect(upheavalOf({ removed: [], added: [{ ...published, protocol: "tcp" }] })).toBeUndefined();
});

test("one target, one port and one address are left to the kernel to look for", () => {
  const single = { ...published, hostPorts: { first: 53, last: 53 }, targetPorts: { first: 53, last: 53 } };
  const upheaval = upheavalOf({ removed: [published], added: [single] });
  expect(upheaval && walksFor(upheaval, [host]).map(({ filter }) => filter)).toEqual([
    { family: 4, replySource: container, isLedElsewhere: true },
    { family: 4, isLedElsewhere: false, protocol: 17, originalDestinationPort: 53 },
  ]);
});

function exactOf(change: Partial<RuleChange>) {
  const upheaval = upheavalOf({ removed: none, added: none, ...change });
  return upheaval && walksFor(upheaval, [host, address("192.0.2.2")]).map(({ exact }) => exact);
}

test("a few ports and addresses are said in filters alone: the kernel finds what matches without a walk", () => {
  const left = { removed: [endpoint(container)] };
  expect(exactOf(left)).toEqual([
    [{ family: 4, replySource: container }],
    [{ family: 4, originalSource: container }],
  ]);
  const single = { ...published, hostPorts: { first: 53, last: 53 }, targetPorts: { first: 54, last: 54 } };
  const way = { family: 4, protocol: 17, originalDestinationPort: 53 };
  const led = { ...way, replySource: container, replySourcePort: 54, isLedElsewhere: true };
  expect(exactOf({ removed: [single] })).toEqual([[led]]);
  const at = { ...single, hostAddress: host };
  expect(exactOf({ removed: [at] })).toEqual([[{ ...led, originalDestination: host }]]);
  expect(exactOf({ added: [at] })).toEqual([[{ ...way, originalDestination: host, isLedElsewhere: false }]]);
  expect(exactOf({ added: [single] })?.[0]).toHaveLength(2);
});

test("a range that lost a port is one filter", () => {
  const part = (first: number, last: number): PublishRule => ({
    ...published,
    hostPorts: { first, last },
    targetPorts: { first: first + 1000, last: last + 1000 },
  });
  const filters = exactOf({
    removed: [{ ...published, protocol: "tcp" }],
    added: [
      { ...part(5000, 5003), protocol: "tcp" },
      { ...part(5005, 5009), protocol: "tcp" },
    ],
  });
  expect(filters?.flat().map((filter) => filter?.originalDestinationPort)).toEqual([5004]);
});

test("what filters cannot say, or would be too many for, is walked for", () => {
  const many = {
    ...published,
    hostPorts: { first: 5000, last: 5099 },
    targetPorts: { first: 6000, last: 6099 },
  };
  expect(exactOf({ removed: [many] })).toEqual([undefined]);
  expect(exactOf({ added: [many] })).toEqual([undefined]);
  const elsewhereKept = { ...published, hostAddress: host };
  expect(exactOf({ removed: [published], added: [elsewhereKept] })?.[0]).toBeUndefined();
});

test("a mapping of every address that stays at one keeps the flows of that one", () => {
  const change = { removed: [published], added: [{ ...published, hostAddress: host }] };
  expect(ends(change, flow({ to: host, port: 5001, led: { to: container, port: 6001 } }))).toBe(false);
  const led = { to: container, port: 6001 };
  expect(ends(change, flow({ to: address("192.0.2.2"), port: 5001, led }))).toBe(true);
});

test("changes in a row add up: what goes and comes again is not forgotten with what went", () => {
  const first = { removed: [published], added: [endpoint(other)] };
  const second = { removed: [endpoint(other)], added: [published] };
  const both = mergeChanges(mergeChanges(undefined, first), second);
  expect(ends(both, flow({ to: host, port: 5001, led: { to: container, port: 6001 } }))).toBe(false);
  expect(ends(both, flow({ from: other, to: elsewhere, port: 443 }))).toBe(true);
});

test("after a repair flows end that began untranslated", () => {
  const rules = [bridge("br1", {}, ["172.18.0.0/16"]), bridge("br2", {}, ["172.19.0.0/16"]), published];
  const walks = walksAfterRepair(rules, [host]);
  const masqueraded = flow({ from: container, to: elsewhere, port: 53 });
  expect(isFound(walks, masqueraded)).toBe(true);
  expect(isFound(walks, { ...masqueraded, reply: { ...masqueraded.reply, destination: host } })).toBe(false);
  expect(isFound(walks, flow({ to: host, port: 5001 }))).toBe(true);
  expect(isFound(walks, flow({ from: container, to: other, port: 53 }))).toBe(false);
  expect(isFound(walks, flow({ from: container, to: host, port: 53 }))).toBe(false);
  expect(isFound(walks, flow({ from: client, to: elsewhere, port: 53 }))).toBe(false);
});
