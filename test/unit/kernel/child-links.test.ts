// Links on other links: the bytes of their requests, their words, and asking for a kind.

import { describe, expect, test } from "vitest";
import { Attributes } from "../../../src/kernel/codec.ts";
import {
  createDummy,
  createIpvlan,
  createMacvlan,
  createVlan,
  FakeNetlink,
  hasLinkKind,
  type Request,
  setMacvlanMode,
} from "../../../src/kernel/index.ts";
import { decodeLink } from "../../../src/kernel/link.ts";
import { mac } from "./values.ts";

/** The attributes of struct ifinfomsg's message, and those of its kind. */
function read({ payload }: Request) {
  const bytes = Buffer.from(payload);
  const attributes = new Attributes(bytes.subarray(16)).check();
  const info = attributes.nested(18);
  return { index: bytes.readInt32LE(4), attributes, kind: info?.string(1), data: info?.nested(2) };
}

describe("a macvlan", () => {
  test.for([
    ["private", 1],
    ["vepa", 2],
    ["bridge", 4],
    ["passthru", 8],
  ] as const)("in mode %s has the kernel's number for it", ([mode, number]) => {
    const { kind, data } = read(createMacvlan({ name: "eth0", parent: 2, mode }));
    expect(kind).toBe("macvlan");
    expect(data?.u32(1)).toBe(number);
  });

  test("is made in a namespace, with its index, MAC and MTU, on a parent that stays", () => {
    const request = createMacvlan({
      name: "eth0",
      parent: 7,
      index: 3,
      mac: mac("02:00:00:00:00:01"),
      mtu: 1400,
      mode: "bridge",
      netns: "/run/netns/c1",
    });
    const { index, attributes } = read(request);
    expect(index).toBe(3);
    expect(attributes.string(3)).toBe("eth0");
    expect(attributes.u32(5)).toBe(7);
    expect(attributes.u32(4)).toBe(1400);
    expect(attributes.bytes(1)?.toString("hex")).toBe("020000000001");
    expect(request.files?.map(({ path }) => path)).toEqual(["/run/netns/c1"]);
    expect(request.words).toBe(
      "ip link add eth0 link if7 index 3 address 02:00:00:00:00:01 mtu 1400 netns /run/netns/c1 type macvlan mode bridge",
    );
  });
});

test.each(["private", "vepa", "bridge", "passthru"] as const)(
  "a macvlan's mode %s is read as it was set",
  (mode) => {
    const request = setMacvlanMode(7, mode);
    expect(decodeLink(Buffer.from(request.payload))).toMatchObject({
      index: 7,
      kind: "macvlan",
      macvlanMode: mode,
    });
    expect(request.words).toBe(`ip link set if7 type macvlan mode ${mode}`);
  },
);

describe("an ipvlan", () => {
  test.for([
    ["l2", "bridge", 0, 0],
    ["l3", "private", 1, 1],
    ["l3s", "vepa", 2, 2],
  ] as const)("in mode %s %s has the kernel's numbers", ([mode, flag, modeNumber, flags]) => {
    const request = createIpvlan({ name: "eth0", parent: 2, mode, flag });
    const { kind, data } = read(request);
    expect(kind).toBe("ipvlan");
    expect([data?.u16(1), data?.u16(2)]).toEqual([modeNumber, flags]);
    expect(request.words).toBe(`ip link add eth0 link if2 type ipvlan mode ${mode} ${flag}`);
  });
});

test("a VLAN sub-interface has its tag, and its alias once it is there", () => {
  const request = createVlan({ name: "eth0.10", parent: 2, id: 10, alias: "mine" });
  const { kind, data, attributes } = read(request);
  expect([kind, data?.u16(1), attributes.u32(5)]).toEqual(["vlan", 10, 2]);
  expect(request.words).toBe("ip link add eth0.10 link if2 type vlan id 10");
  expect(request.followedBy?.words).toBe("ip link set eth0.10 alias mine");
});

test("a dummy is nothing but its name", () => {
  const request = createDummy({ name: "dm-1", alias: "mine" });
  expect(read(request).kind).toBe("dummy");
  expect(request.words).toBe("ip link add dm-1 type dummy");
  expect(request.followedBy?.words).toBe("ip link set dm-1 alias mine");
});

describe("asking for a kind", () => {
  test("makes nothing, whatever the answer", async () => {
    const netlink = new FakeNetlink();
    expect(await hasLinkKind(netlink, "macvlan")).toBe(true);
    netlink.refuse("type dummy", 95); // EOPNOTSUPP
    expect(await hasLinkKind(netlink, "dummy")).toBe(false);
    netlink.refuse("type ipvlan", 22); // EINVAL: no parent
    expect(await hasLinkKind(netlink, "ipvlan")).toBe(true);
    expect((await netlink.links()).map(({ name }) => name)).toEqual(["lo"]);
  });

  test("does not take another trouble for an answer", async () => {
    const netlink = new FakeNetlink();
    netlink.refuse("type macvlan", 1); // EPERM
    await expect(hasLinkKind(netlink, "macvlan")).rejects.toThrow("operation not permitted");
  });
});
