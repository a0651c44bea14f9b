// Which connections end when a mapping comes or goes.

import { expect, test } from "vitest";
import type { PublishRule } from "../../../src/firewall/rules.ts";
import { staleness } from "../../../src/firewall/stale-flows.ts";
import type { ConntrackEntry } from "../../../src/kernel/index.ts";
import { type Address, parseAddress } from "../../../src/netip/index.ts";

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

const client = address("192.0.2.9");
const host = address("192.0.2.1");
const container = address("172.18.0.2");

/** A client's datagrams to `destination`, answered by `answerer`. */
function flow(
  destination: Address,
  port: number,
  answerer: { address: Address; port: number },
): ConntrackEntry {
  return {
    original: { source: client, destination, protocol: 17, sourcePort: 4000, destinationPort: port },
    reply: {
      source: answerer.address,
      destination: client,
      protocol: 17,
      sourcePort: answerer.port,
      destinationPort: 4000,
    },
    mark: 0,
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

test("a mapping that went takes the flows to its container along, and no other", () => {
  const isStale = staleness({ gone: [published], come: [], local: [host] });
  expect(isStale(flow(host, 5001, { address: container, port: 6001 }))).toBe(true);
  expect(isStale(flow(host, 9000, { address: container, port: 9000 }))).toBe(false);
  expect(isStale(flow(host, 5001, { address: address("172.18.0.3"), port: 6001 }))).toBe(false);
  // what reached the container without a translation was not the mapping's
  expect(isStale(flow(container, 6001, { address: container, port: 6001 }))).toBe(false);
});

test("a mapping that came takes over from the host who was talked to at its ports", () => {
  const isStale = staleness({ gone: [], come: [published], local: [host] });
  expect(isStale(flow(host, 5001, { address: host, port: 5001 }))).toBe(true);
  expect(isStale(flow(host, 53, { address: host, port: 53 }))).toBe(false);
  expect(isStale(flow(host, 5001, { address: container, port: 6001 }))).toBe(false);
});

test("datagrams that only pass through to that port of another machine are left alone", () => {
  const elsewhere = address("198.51.100.7");
  const isStale = staleness({ gone: [], come: [published], local: [host] });
  expect(isStale(flow(elsewhere, 5001, { address: elsewhere, port: 5001 }))).toBe(false);
});

test("a mapping of one host address concerns that address alone", () => {
  const isStale = staleness({
    gone: [],
    come: [{ ...published, hostAddress: address("192.0.2.2") }],
    local: [host, address("192.0.2.2")],
  });
  expect(isStale(flow(host, 5001, { address: host, port: 5001 }))).toBe(false);
  expect(isStale(flow(address("192.0.2.2"), 5001, { address: address("192.0.2.2"), port: 5001 }))).toBe(true);
});
