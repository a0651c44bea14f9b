// rtnetlink requests: their bytes, and their words in iproute2's language.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addAddress, decodeLinkAddress, deleteAddress, listAddresses } from "../../../src/kernel/address.ts";
import { createBridge } from "../../../src/kernel/bridge.ts";
import { nlmFlag } from "../../../src/kernel/codec.ts";
import { addFdb, decodeFdb, deleteFdb, listFdb } from "../../../src/kernel/fdb.ts";
import {
  decodeLink,
  deleteLink,
  deleteLinkGroup,
  getLink,
  linkHeader,
  listLinks,
  setLink,
} from "../../../src/kernel/link.ts";
import {
  addNeighbour,
  decodeNeighbour,
  deleteNeighbour,
  listNeighbours,
} from "../../../src/kernel/neighbour.ts";
import type { Request } from "../../../src/kernel/request.ts";
import { addRoute, decodeRoute, deleteRoute, listRoutes } from "../../../src/kernel/route.ts";
import { createVeth } from "../../../src/kernel/veth.ts";
import type { Address, Family, Mac, Prefix } from "../../../src/netip/index.ts";
import { addressWidth, macFromBytes } from "../../../src/netip/index.ts";
import { address, mac, prefix } from "./values.ts";

const family: fc.Arbitrary<Family> = fc.constantFrom(4, 6);
const anyAddress = (of: Family): fc.Arbitrary<Address> =>
  fc.bigInt({ min: 1n, max: 2n ** BigInt(addressWidth(of)) - 1n }).map((value) => ({ family: of, value }));
const anyPrefix = (of: Family): fc.Arbitrary<Prefix> =>
  fc.record({ address: anyAddress(of), length: fc.integer({ min: 1, max: addressWidth(of) }) });
const anyMac: fc.Arbitrary<Mac> = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(macFromBytes);
const index = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,14}$/);
const option = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });

const payload = (request: Request) => Buffer.from(request.payload);

describe("requests say in their bytes what they say in TypeScript:", () => {
  it("links", () => {
    const spec = fc.record({ name, mac: anyMac, mtu: fc.nat(65535), group: fc.nat(9999), up: fc.boolean() });
    fc.assert(
      fc.property(spec, (wanted) => {
        expect(decodeLink(payload(createBridge(wanted)))).toMatchObject({ ...wanted, kind: "bridge" });
      }),
    );
  });

  it("veth pairs", () => {
    const spec = fc.record({ name, index, mac: anyMac, mtu: fc.nat(65535), master: index });
    fc.assert(
      fc.property(spec, name, (wanted, peer) => {
        const request = createVeth({ ...wanted, peer: { name: peer, netns: "/run/netns/x" } });
        expect(decodeLink(payload(request))).toMatchObject({ ...wanted, kind: "veth" });
        expect(request.files?.map(({ path }) => path)).toEqual(["/run/netns/x"]);
      }),
    );
  });

  it("addresses", () => {
    const spec = family.chain((of) => fc.record({ link: index, prefix: anyPrefix(of) }));
    fc.assert(
      fc.property(spec, (wanted) => {
        expect(decodeLinkAddress(payload(addAddress(wanted)))).toMatchObject(wanted);
        expect(decodeLinkAddress(payload(deleteAddress(wanted)))).toMatchObject(wanted);
      }),
    );
  });

  it("routes", () => {
    const spec = family.chain((of) =>
      fc.record(
        {
          family: fc.constant(of),
          destination: anyPrefix(of),
          gateway: anyAddress(of),
          link: index,
          source: anyAddress(of),
          metric: fc.nat(),
          table: fc.integer({ min: 1, max: 100000 }),
        },
        { requiredKeys: ["family"] },
      ),
    );
    fc.assert(
      fc.property(spec, (wanted) => {
        expect(decodeRoute(payload(addRoute(wanted)))).toMatchObject({
          table: 254,
          ...wanted,
          type: "unicast",
        });
        expect(decodeRoute(payload(deleteRoute(wanted)))).toMatchObject({ table: 254, ...wanted });
      }),
    );
  });

  it("neighbours", () => {
    const spec = family.chain((of) => fc.record({ link: index, address: anyAddress(of), mac: anyMac }));
    fc.assert(
      fc.property(spec, (wanted) => {
        expect(decodeNeighbour(payload(addNeighbour(wanted)))).toMatchObject({ ...wanted, permanent: true });
        expect(decodeNeighbour(payload(deleteNeighbour(wanted)))).toMatchObject({ link: wanted.link });
      }),
    );
  });

  it("forwarding entries", () => {
    const spec = fc.record({
      link: index,
      mac: anyMac,
      destination: option(family.chain(anyAddress)),
      vni: option(fc.nat(0xffffff)),
    });
    fc.assert(
      fc.property(spec, ({ link, mac: wanted, destination, vni }) => {
        const entry = {
          link,
          mac: wanted,
          ...(destination && { destination }),
          ...(vni !== undefined && { vni }),
        };
        expect(decodeFdb(payload(addFdb(entry)))).toMatchObject({ ...entry, permanent: true, self: true });
        expect(decodeFdb(payload(deleteFdb(entry)))).toMatchObject(entry);
      }),
    );
  });
});

describe("requests read as iproute2 commands:", () => {
  const link = 3;
  const cases: readonly (readonly [string, Request])[] = [
    ["ip link add br0 type bridge", createBridge({ name: "br0" })],
    [
      "ip link add br0 address 02:00:00:00:00:01 mtu 1400 group 7 up type bridge ageing_time 1000 vlan_filtering 1 mcast_snooping 0",
      createBridge({
        name: "br0",
        mac: mac("02:00:00:00:00:01"),
        mtu: 1400,
        group: 7,
        up: true,
        ageingTimeSeconds: 10,
        vlanFiltering: true,
        multicastSnooping: false,
      }),
    ],
    [
      "ip link add veth1 mtu 1400 up master if3 group 7 type veth peer name eth0 index 2 address 02:00:00:00:00:02 mtu 1400 netns /run/netns/x",
      createVeth({
        name: "veth1",
        mtu: 1400,
        up: true,
        master: link,
        group: 7,
        peer: { name: "eth0", index: 2, mac: mac("02:00:00:00:00:02"), mtu: 1400, netns: "/run/netns/x" },
      }),
    ],
    ["ip link set br0 up", setLink("br0", { up: true })],
    [
      "ip link set if3 name eth1 mtu 9000 nomaster alias a b netns /run/netns/x down",
      setLink(link, {
        name: "eth1",
        mtu: 9000,
        master: null,
        alias: "a b",
        netns: "/run/netns/x",
        up: false,
      }),
    ],
    [
      "ip link set if3 type bridge_slave hairpin on isolated off learning off flood on",
      setLink(link, { hairpin: true, isolated: false, learning: false, flood: true }),
    ],
    ["ip link set v0 addrgenmode none", setLink("v0", { addressGeneration: "none" })],
    ["ip link delete br0", deleteLink("br0")],
    ["ip link delete group 7", deleteLinkGroup(7)],
    ["ip link show if3", getLink(link)],
    ["ip link show master if3 type veth", listLinks({ master: link, kind: "veth" })],
    ["ip address add 192.0.2.1/24 dev if3", addAddress({ link, prefix: prefix("192.0.2.1/24") })],
    [
      "ip address replace 192.0.2.1/24 broadcast + label br0:1 scope link dev if3",
      addAddress(
        { link, prefix: prefix("192.0.2.1/24"), broadcast: "auto", label: "br0:1", scope: "link" },
        { replace: true },
      ),
    ],
    [
      "ip address add 2001:db8::1/64 dev if3 nodad noprefixroute",
      addAddress({ link, prefix: prefix("2001:db8::1/64"), noDad: true, noPrefixRoute: true }),
    ],
    ["ip address delete 192.0.2.1/24 dev if3", deleteAddress({ link, prefix: prefix("192.0.2.1/24") })],
    ["ip address show dev if3", listAddresses({ link })],
    ["ip route add default via 192.0.2.1", addRoute({ family: 4, gateway: address("192.0.2.1") })],
    ["ip -6 route add default via 2001:db8::1", addRoute({ family: 6, gateway: address("2001:db8::1") })],
    [
      "ip route replace 198.51.100.0/24 via 192.0.2.1 dev if3 src 192.0.2.2 metric 5 table 100 onlink",
      addRoute(
        {
          family: 4,
          destination: prefix("198.51.100.0/24"),
          gateway: address("192.0.2.1"),
          link,
          source: address("192.0.2.2"),
          metric: 5,
          table: 100,
          onLink: true,
        },
        { replace: true },
      ),
    ],
    [
      "ip route add blackhole 198.51.100.0/24",
      addRoute({ family: 4, destination: prefix("198.51.100.0/24"), type: "blackhole" }),
    ],
    ["ip route delete default dev if3", deleteRoute({ family: 4, link })],
    ["ip route show table all", listRoutes({ table: "all" })],
    ["ip route show table 254 dev if3", listRoutes({ link })],
    [
      "ip neighbour replace 192.0.2.9 lladdr 02:00:00:00:00:09 dev if3 nud permanent",
      addNeighbour({ link, address: address("192.0.2.9"), mac: mac("02:00:00:00:00:09") }, { replace: true }),
    ],
    ["ip neighbour delete 192.0.2.9 dev if3", deleteNeighbour({ link, address: address("192.0.2.9") })],
    ["ip neighbour show dev if3", listNeighbours({ link })],
    [
      "bridge fdb append 00:00:00:00:00:00 dev if3 dst 192.0.2.9 vni 42 self permanent",
      addFdb({ link, mac: mac("00:00:00:00:00:00"), destination: address("192.0.2.9"), vni: 42 }, "append"),
    ],
    [
      "bridge fdb delete 02:00:00:00:00:09 dev if3 vlan 5 master",
      deleteFdb({ link, mac: mac("02:00:00:00:00:09"), vlan: 5, table: "master" }),
    ],
    ["bridge fdb show brport if3 br if4", listFdb({ link, master: 4 })],
  ];

  it.each(cases)("%s", (words, request) => {
    expect(request.words).toBe(words);
  });
});

describe("link requests", () => {
  it("leave the up flag alone when nothing is said about it", () => {
    const flags = (request: Request) => [payload(request).readUInt32LE(8), payload(request).readUInt32LE(12)];
    expect(flags(setLink(1, { mtu: 1500 }))).toEqual([0, 0]);
    expect(flags(setLink(1, { up: true }))).toEqual([1, 1]);
    expect(flags(setLink(1, { up: false }))).toEqual([0, 1]);
  });

  it("set an alias only after the link was created, since the kernel ignores it before", () => {
    expect(createBridge({ name: "br0", alias: "mine" }).followedBy?.words).toBe("ip link set br0 alias mine");
    expect(createBridge({ name: "br0" }).followedBy).toBeUndefined();
  });

  it("rename by index alone, since the name says which link otherwise", () => {
    expect(() => setLink("eth0", { name: "eth1" })).toThrow("rename eth0: a link is renamed by its index");
  });

  it("never delete group 0, which holds everything", () => {
    expect(() => deleteLinkGroup(0)).toThrow("every link without a group");
  });

  it("refuse values that do not fit", () => {
    expect(() => createBridge({ name: "br0", mtu: -1 })).toThrow(RangeError);
    expect(() => setLink(1, { alias: "x".repeat(70000) })).toThrow(RangeError);
    expect(() => createBridge({ name: "a\0b" })).toThrow("holds a NUL");
  });

  it("create exclusively and acknowledge", () => {
    expect(createBridge({ name: "br0" }).flags).toBe(nlmFlag.ack | nlmFlag.create | nlmFlag.exclusive);
    expect(setLink(1, {}).flags).toBe(nlmFlag.ack);
  });
});

describe("links as the kernel tells them", () => {
  it("show nothing that was not said", () => {
    expect(decodeLink(linkHeader(7, true))).toEqual({
      index: 7,
      name: "",
      mtu: 0,
      up: true,
      carrier: false,
      loopback: false,
      group: 0,
      stats: {
        rxBytes: 0,
        rxPackets: 0,
        rxErrors: 0,
        rxDropped: 0,
        txBytes: 0,
        txPackets: 0,
        txErrors: 0,
        txDropped: 0,
      },
    });
  });
});

describe("addresses", () => {
  it("on a loopback have host scope unless told otherwise", () => {
    const scope = (text: string) =>
      decodeLinkAddress(payload(addAddress({ link: 1, prefix: prefix(text) })))?.scope;
    expect([scope("127.0.0.2/8"), scope("::1/128"), scope("192.0.2.1/24")]).toEqual([
      "host",
      "host",
      "global",
    ]);
  });

  it("of subnets without room have no broadcast address", () => {
    const broadcast = (text: string) =>
      decodeLinkAddress(payload(addAddress({ link: 1, prefix: prefix(text), broadcast: "auto" })))?.broadcast;
    expect(broadcast("192.0.2.1/24")).toEqual(address("192.0.2.255"));
    expect([broadcast("192.0.2.1/31"), broadcast("192.0.2.1/32")]).toEqual([undefined, undefined]);
  });
});
