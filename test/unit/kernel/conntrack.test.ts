// Filters and entries of connection tracking.

import { describe, expect, it } from "vitest";
import { Encoder } from "../../../src/kernel/codec.ts";
import { deleteConntrack } from "../../../src/kernel/conntrack.ts";
import { type ConntrackEntry, decodeConntrack, matches } from "../../../src/kernel/conntrack-messages.ts";
import { addressBytes } from "../../../src/netip/index.ts";
import { address } from "./values.ts";

// a client's connection to 203.0.113.1:8080, translated to 192.0.2.2:80
const entry: ConntrackEntry = {
  original: {
    source: address("198.51.100.7"),
    destination: address("203.0.113.1"),
    protocol: 6,
    sourcePort: 40000,
    destinationPort: 8080,
  },
  reply: {
    source: address("192.0.2.2"),
    destination: address("198.51.100.7"),
    protocol: 6,
    sourcePort: 80,
    destinationPort: 40000,
  },
  mark: 5,
  isLedElsewhere: false,
};

describe("a conntrack filter", () => {
  it.each([
    ["the protocol", { protocol: 6 }, true],
    ["another protocol", { protocol: 17 }, false],
    [
      "what was asked for",
      { originalDestination: address("203.0.113.1"), originalDestinationPort: 8080 },
      true,
    ],
    ["another port", { originalDestination: address("203.0.113.1"), originalDestinationPort: 80 }, false],
    ["who answers", { replySource: address("192.0.2.2"), replySourcePort: 80 }, true],
    ["somebody else answering", { replySource: address("192.0.2.3") }, false],
    ["the client", { originalSource: address("198.51.100.7"), originalSourcePort: 40000 }, true],
    ["another client", { replyDestination: address("198.51.100.8") }, false],
    ["where answers go", { replyDestinationPort: 40000 }, true],
  ])("for %s: %#", (_, filter, expected) => {
    expect(matches(entry, { family: 4, ...filter })).toBe(expected);
  });

  it("never matches the other family", () => {
    expect(matches(entry, { family: 6, protocol: 6 })).toBe(false);
  });

  it("of a family alone deletes nothing", async () => {
    await expect(deleteConntrack({ family: 4 })).rejects.toThrow("would match every connection");
  });
});

describe("a conntrack entry", () => {
  it("is read with its ports in network byte order", () => {
    const encoder = new Encoder().struct(Buffer.from([2, 0, 0, 0]));
    for (const [type, tuple] of [[1, entry.original] as const, [2, entry.reply] as const])
      encoder.nest(type, (outer) =>
        outer
          .nest(1, (ip) => ip.bytes(1, addressBytes(tuple.source)).bytes(2, addressBytes(tuple.destination)))
          .nest(2, (protocol) =>
            protocol
              .u8(1, tuple.protocol)
              .be16(2, tuple.sourcePort ?? 0)
              .be16(3, tuple.destinationPort ?? 0),
          ),
      );
    expect(decodeConntrack(encoder.be32(8, 5).finish())).toEqual(entry);
  });

  it("without a reply is none", () => {
    expect(decodeConntrack(Buffer.from([2, 0, 0, 0]))).toBeUndefined();
  });
});
