// Addresses, prefixes, MACs and ports as values, over examples and over random ones.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Address,
  addressBytes,
  addressFromBytes,
  addressPlus,
  firstAddress,
  formatAddress,
  formatPortRange,
  formatPrefix,
  hasHostBits,
  hostPrefix,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  lastAddress,
  macBytes,
  macFromBytes,
  type Prefix,
  parseAddress,
  parseMac,
  parsePort,
  parsePortRange,
  parsePrefix,
  parseProtocol,
  portRangeSize,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixSize,
  randomMac,
  sameAddress,
  samePrefix,
  subnetOf,
} from "../../../src/netip/index.ts";

const anyAddress = fc.oneof(
  fc.bigInt(0n, (1n << 32n) - 1n).map((value): Address => ({ family: 4, value })),
  fc.bigInt(0n, (1n << 128n) - 1n).map((value): Address => ({ family: 6, value })),
);

const anyPrefix = anyAddress.chain((address) =>
  fc.nat(address.family === 4 ? 32 : 128).map((length): Prefix => ({ address, length })),
);

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`${text} is no prefix`);
  return parsed;
}

test("every address is shown so that it parses to itself", () => {
  fc.assert(fc.property(anyAddress, (it) => sameAddress(parseAddress(formatAddress(it)), it)));
});

test("every address survives its bytes", () => {
  fc.assert(fc.property(anyAddress, (it) => sameAddress(addressFromBytes(addressBytes(it)), it)));
});

test.each([
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
  ["fe80:0:0:0:0:0:0:0", "fe80::"],
  ["1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"],
])("%s is shown as RFC 5952 wants it: %s", (text, shown) => {
  expect(formatAddress(address(text))).toBe(shown);
});

test.each([
  "",
  "1.2.3",
  "1.2.3.4.5",
  "256.1.1.1",
  "01.2.3.4",
  "1.2.3.4/8",
  "::1::",
  "g::",
  "fe80::1%eth0",
  "1.2.3.-4",
])("%s is no address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test("ranges with a meaning are known in both families", () => {
  expect(["127.9.9.9", "::1"].map(address).every(isLoopback)).toBe(true);
  expect(["0.0.0.0", "::"].map(address).every(isUnspecified)).toBe(true);
  expect(["239.1.2.3", "ff02::1"].map(address).every(isMulticast)).toBe(true);
  expect(["169.254.1.1", "fe80::1", "febf::1"].map(address).every(isLinkLocal)).toBe(true);
  expect(
    ["192.0.2.1", "2001:db8::1"]
      .map(address)
      .some((it) => isLoopback(it) || isMulticast(it) || isLinkLocal(it)),
  ).toBe(false);
});

test("every prefix is shown so that it parses to itself", () => {
  fc.assert(fc.property(anyPrefix, (it) => samePrefix(parsePrefix(formatPrefix(it)), it)));
});

test("a subnet starts and ends where its addresses do", () => {
  fc.assert(
    fc.property(anyPrefix, (it) => {
      const first = firstAddress(it);
      const last = lastAddress(it);
      expect(last.value - first.value + 1n).toBe(prefixSize(it));
      expect(prefixContains(it, first) && prefixContains(it, last) && prefixContains(it, it.address)).toBe(
        true,
      );
      if (first.value > 0n) expect(prefixContains(it, addressPlus(first, -1n))).toBe(false);
      expect(hasHostBits(subnetOf(it))).toBe(false);
      expect(prefixCovers(it, hostPrefix(last))).toBe(true);
    }),
  );
});

test("overlap is mutual, and covering is overlap", () => {
  fc.assert(
    fc.property(anyPrefix, anyPrefix, (a, b) => {
      expect(prefixesOverlap(a, b)).toBe(prefixesOverlap(b, a));
      if (prefixCovers(a, b)) expect(prefixesOverlap(a, b)).toBe(true);
    }),
  );
  expect(prefixesOverlap(prefix("10.0.0.0/8"), prefix("10.1.2.0/24"))).toBe(true);
  expect(prefixesOverlap(prefix("10.0.0.0/8"), prefix("11.0.0.0/8"))).toBe(false);
  expect(prefixesOverlap(prefix("0.0.0.0/0"), prefix("::/0"))).toBe(false);
});

test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "::/129", "/8", "10.0.0.0/"])(
  "%s is no prefix",
  (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  },
);

test("MACs are read in both spellings and shown in one", () => {
  expect(parseMac("02-42-AC-11-00-02")).toBe("02:42:ac:11:00:02");
  expect(parseMac("02:42:ac:11:00")).toBeUndefined();
  const mac = randomMac();
  expect(macFromBytes(macBytes(mac))).toBe(mac);
  expect((macBytes(mac)[0] ?? 0) & 3).toBe(2);
});

test("ports, ranges and protocols are read strictly", () => {
  expect([parsePort("0"), parsePort("65535"), parsePort("65536"), parsePort("-1"), parsePort("8x")]).toEqual([
    0,
    65535,
    undefined,
    undefined,
    undefined,
  ]);
  expect(parsePortRange("80")).toEqual({ first: 80, last: 80 });
  expect(parsePortRange("8000-8010")).toEqual({ first: 8000, last: 8010 });
  expect(parsePortRange("8010-8000")).toBeUndefined();
  expect(portRangeSize({ first: 8000, last: 8010 })).toBe(11);
  expect([formatPortRange({ first: 1, last: 1 }), formatPortRange({ first: 1, last: 2 })]).toEqual([
    "1",
    "1-2",
  ]);
  expect([parseProtocol("TCP"), parseProtocol("sctp"), parseProtocol("icmp")]).toEqual([
    "tcp",
    "sctp",
    undefined,
  ]);
});
