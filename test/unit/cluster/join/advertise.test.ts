import { describe, expect, test } from "vitest";
import { type Interfaces, resolveAdvertise, splitPort } from "../../../../src/cluster/join/advertise.ts";
import { formatAddress } from "../../../../src/netip/index.ts";

const at = (...addresses: string[]) => addresses.map((address) => ({ address }));
const host: Interfaces = {
  lo: at("127.0.0.1", "::1"),
  eth0: at("2001:db8::11", "192.0.2.11", "fe80::1"),
  eth1: at("198.51.100.11"),
  eth2: at("fe80::2"),
  eth3: at("2001:db8:3::11"),
};

const resolve = (text: string | undefined, interfaces = host) => {
  const { address, ...rest } = resolveAdvertise(text, interfaces);
  return { address: formatAddress(address), ...rest };
};

describe("the advertise address", () => {
  test.each([
    ["eth0", { address: "192.0.2.11" }],
    ["eth0:2400", { address: "192.0.2.11", port: 2400 }],
    ["eth3", { address: "2001:db8:3::11" }],
    ["192.0.2.11", { address: "192.0.2.11" }],
    ["192.0.2.11:2377", { address: "192.0.2.11", port: 2377 }],
    ["2001:db8::11", { address: "2001:db8::11" }],
    ["[2001:DB8:0::11]:2377", { address: "2001:db8::11", port: 2377 }],
  ])("may be given as %s", (text, expected) => {
    expect(resolve(text)).toEqual(expected);
  });

  test.each([
    [
      "192.0.2.99",
      "no interface of this host has this address (it has: eth0 2001:db8::11, eth0 192.0.2.11, eth1",
    ],
    ["eth9", "neither an address nor an interface of this host (it has: eth0"],
    ["host.example", "neither an address nor an interface of this host"],
    ["127.0.0.1", "a loopback address: other hosts cannot reach this one by it"],
    ["::1", "a loopback address"],
    ["0.0.0.0", "not an address of any host"],
    ["224.0.0.1", "a multicast address"],
    ["fe80::1", "a link-local address"],
    ["lo", "the interface has no address that other hosts could reach"],
    ["eth2", "the interface has no address that other hosts could reach"],
    ["192.0.2.11:0", "0 is not a port"],
    ["192.0.2.11:70000", "70000 is not a port"],
    ["192.0.2.11/24", "neither an address nor an interface"],
  ])("%s is refused by name", (text, message) => {
    expect(() => resolve(text)).toThrow(message);
    expect(() => resolve(text)).toThrow(text);
  });

  test("need not be given where there is only one", () => {
    expect(resolve(undefined, { lo: at("127.0.0.1"), eth0: at("192.0.2.11", "2001:db8::1") })).toEqual({
      address: "192.0.2.11",
    });
    expect(resolve("", { eth0: at("2001:db8::1", "fe80::1") })).toEqual({ address: "2001:db8::1" });
  });

  test("must be given where there are several, and cannot be where there is none", () => {
    expect(() => resolve(undefined)).toThrow(/several addresses .*: say which one with --advertise/);
    expect(() => resolve(undefined, { lo: at("127.0.0.1") })).toThrow(
      "no address that other hosts could reach",
    );
  });
});

test.each([
  ["192.0.2.1", { host: "192.0.2.1" }],
  ["192.0.2.1:80", { host: "192.0.2.1", port: 80 }],
  ["2001:db8::1", { host: "2001:db8::1" }],
  ["[2001:db8::1]", { host: "2001:db8::1" }],
  ["[2001:db8::1]:80", { host: "2001:db8::1", port: 80 }],
  ["host1.example:80", { host: "host1.example", port: 80 }],
])("%s is split into host and port", (text, expected) => {
  expect(splitPort(text)).toEqual(expected);
});
