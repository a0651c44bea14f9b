// VXLAN links and what leads to tunnel ends: bytes and words.

import { describe, expect, test } from "vitest";
import { decodeFdb } from "../../../src/kernel/fdb.ts";
import {
  addFdb,
  createVxlan,
  FakeNetlink,
  setLink,
  vxlanOverhead,
  vxlanPort,
} from "../../../src/kernel/index.ts";
import { decodeLink } from "../../../src/kernel/link.ts";
import { addNeighbour } from "../../../src/kernel/neighbour.ts";
import { rtm } from "../../../src/kernel/rtnetlink.ts";
import { decodeEvent } from "../../../src/kernel/watch.ts";
import { address, mac } from "./values.ts";

const spec = { name: "vx7", vni: 7, local: address("192.0.2.1") } as const;

describe("a VXLAN link", () => {
  test.for(["192.0.2.1", "2001:db8::1"])("with source address %s says what it was asked for", (local) => {
    const request = createVxlan({ ...spec, local: address(local), port: 4790, proxy: true });
    expect(decodeLink(Buffer.from(request.payload))).toMatchObject({
      name: "vx7",
      kind: "vxlan",
      vxlan: { vni: 7, local: address(local), port: 4790, learning: false, proxy: true },
    });
  });

  test("is made in another namespace than its socket's", () => {
    const request = createVxlan({ ...spec, netns: "/run/netns/n1", mtu: 1450, up: true });
    expect(request.files?.map(({ path }) => path)).toEqual(["/run/netns/n1"]);
    expect(request.words).toBe(
      "ip link add vx7 mtu 1450 netns /run/netns/n1 up type vxlan id 7 local 192.0.2.1 dstport 4789 nolearning noproxy",
    );
    expect(vxlanPort).toBe(4789);
  });

  test("takes 50 bytes of an IPv4 packet and 70 of an IPv6 packet", () => {
    expect([vxlanOverhead(4), vxlanOverhead(6)]).toEqual([50, 70]);
  });

  test("wears an alias where it stays", async () => {
    const netlink = new FakeNetlink();
    await netlink.send(createVxlan({ ...spec, alias: "mine" }), setLink("vx7", { up: true }));
    expect(await netlink.link("vx7")).toMatchObject({ alias: "mine", up: true, vxlan: { vni: 7 } });
  });
});

describe("a forwarding entry", () => {
  const entry = { link: 3, mac: mac("02:42:0a:00:00:02") };

  test("of a VXLAN link may name another port", () => {
    const destination = address("192.0.2.2");
    const request = addFdb({ ...entry, destination, port: 4790 }, "replace");
    expect(decodeFdb(Buffer.from(request.payload))).toMatchObject({ destination, port: 4790, self: true });
    expect(request.words).toBe(
      "bridge fdb replace 02:42:0a:00:00:02 dev if3 dst 192.0.2.2 port 4790 self permanent",
    );
  });

  test("of a bridge that is static leads out of the port", () => {
    const request = addFdb({ ...entry, static: true, table: "master" });
    expect(decodeFdb(Buffer.from(request.payload))).toMatchObject({ static: true, permanent: true });
    expect(request.words).toBe("bridge fdb add 02:42:0a:00:00:02 dev if3 master static");
  });

  test("is told of as what it is, and a neighbour as a neighbour", () => {
    const tell = (type: number, payload: Uint8Array) =>
      decodeEvent({ type, flags: 0, sequence: 0, payload: Buffer.from(payload) });
    expect(tell(rtm.deleteNeighbour, addFdb(entry).payload)).toMatchObject({
      kind: "fdb",
      gone: true,
      entry,
    });
    const neighbour = { ...entry, address: address("10.0.0.2") };
    expect(tell(rtm.newNeighbour, addNeighbour(neighbour).payload)).toMatchObject({ kind: "neighbour" });
  });
});
