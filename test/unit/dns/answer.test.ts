// Answers from zones: who finds whom by which name.

import * as packet from "dns-packet";
import { describe, expect, test } from "vitest";
import { decide, encodeReply, ttlSeconds } from "../../../src/dns/index.ts";
import { answer, ip, query, record, view } from "./world.ts";

describe("names of a sandbox's networks", () => {
  const seen = view([
    record({ names: ["web", "www", "0123456789ab"], addresses: [ip("192.0.2.1"), ip("2001:db8::1")] }),
    record({ endpointId: "e2", names: ["db"], addresses: [ip("192.0.2.2")] }),
  ]);

  test.each(["web", "www", "0123456789ab", "WEB", "Web.X1", "www.x1"])("%s has its addresses", (name) => {
    expect(answer(name, seen)).toEqual(["192.0.2.1"]);
    expect(answer(name, seen, { type: "AAAA" })).toEqual(["2001:db8::1"]);
  });

  test("a family without an address is NODATA, and so is every other type", () => {
    expect(answer("db", seen, { type: "AAAA" })).toEqual([]);
    for (const type of ["MX", "TXT", "SRV", "NS", "SOA", "CNAME", "PTR"] as const)
      expect(answer("web", seen, { type })).toEqual([]);
  });

  test("a name without any address is NODATA too, and not asked outside", () => {
    const bare = view([record({ names: ["c.example.com"], addresses: [] })]);
    expect(answer("c.example.com", bare)).toEqual([]);
  });

  test("an address points back to the first name on its network", () => {
    expect(answer("1.2.0.192.in-addr.arpa", seen, { type: "PTR" })).toEqual(["web.x1"]);
    const six = `1.${"0.".repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`;
    expect(answer(six, seen, { type: "PTR" })).toEqual(["web.x1"]);
    expect(answer(six.toUpperCase(), seen, { type: "PTR" })).toEqual(["web.x1"]);
    expect(answer("1.2.0.192.in-addr.arpa", seen, { type: "A" })).toEqual([]);
  });

  test("other addresses, parts of addresses and nonsense below arpa are not ours", () => {
    for (const name of [
      "9.2.0.192.in-addr.arpa",
      "2.0.192.in-addr.arpa",
      "x.2.0.192.in-addr.arpa",
      "1.ip6.arpa",
    ])
      expect(answer(name, seen, { type: "PTR" })).toBe("forward");
  });

  test("answers are authoritative, short-lived, and repeat the question as it was asked", () => {
    const asked = query("WeB", { flags: packet.RECURSION_DESIRED | packet.CHECKING_DISABLED });
    const decision = decide(asked, seen);
    if (decision.kind !== "reply") throw new Error("not answered");
    const decoded = packet.decode(encodeReply(asked, decision.content, "udp"));
    expect(decoded).toMatchObject({ id: 7, flag_qr: true, flag_aa: true, flag_ra: true, flag_rd: true });
    expect(decoded).toMatchObject({ flag_cd: true, flag_tc: false });
    expect(decoded.questions).toEqual([{ name: "WeB", type: "A", class: "IN" }]);
    expect(decoded.answers?.[0]).toMatchObject({ name: "WeB", ttl: ttlSeconds, data: "192.0.2.1" });
  });
});

describe("several networks", () => {
  const on = (networkId: string, networkName: string, address: string, names = ["c"]) =>
    record({ networkId, networkName, endpointId: networkId + address, names, addresses: [ip(address)] });
  const records = [
    on("n1", "front", "192.0.2.1"),
    on("n2", "back", "198.51.100.1"),
    on("n3", "other", "203.0.113.1", ["c", "only"]),
  ];

  test("the first in the sandbox's order that has the name wins, without the others' addresses", () => {
    expect(answer("c", view(records, { networks: ["n1", "n2"] }))).toEqual(["192.0.2.1"]);
    expect(answer("c", view(records, { networks: ["n2", "n1"] }))).toEqual(["198.51.100.1"]);
  });

  test("a network's name after the host's chooses the network", () => {
    const seen = view(records, { networks: ["n1", "n2"] });
    expect(answer("c.back", seen)).toEqual(["198.51.100.1"]);
    expect(answer("C.Front", seen)).toEqual(["192.0.2.1"]);
  });

  test("a network that the sandbox is not on might not exist", () => {
    const seen = view(records, { networks: ["n1", "n2"] });
    expect(answer("only", seen)).toBe("NXDOMAIN");
    expect(answer("c.other", seen)).toBe("forward");
    expect(answer("1.113.0.203.in-addr.arpa", seen, { type: "PTR" })).toBe("forward");
  });

  test("dots may be in either part", () => {
    const dotted = [
      record({ networkName: "my.net", names: ["a.b"] }),
      record({
        networkId: "n2",
        networkName: "b.my.net",
        endpointId: "e2",
        names: ["a"],
        addresses: [ip("192.0.2.2")],
      }),
    ];
    expect(answer("a.b.my.net", view(dotted, { networks: ["n1"] }))).toEqual(["192.0.2.1"]);
    expect(answer("a.b.my.net", view(dotted, { networks: ["n2"] }))).toEqual(["192.0.2.2"]);
    expect(answer("a.b.my.net", view(dotted, { networks: ["n2", "n1"] }))).toEqual(["192.0.2.1"]);
  });
});

describe("several endpoints with one name", () => {
  const many = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
  const records = many.map((address, at) =>
    record({ endpointId: `e${at}`, names: [`c${at}`, "all"], addresses: [ip(address)] }),
  );

  test("all are given, each of them first at some time", () => {
    const seen = view(records);
    const firsts = new Set<string>();
    for (let at = 0; at < 200; at++) {
      const given = answer("all", seen);
      expect([...given].sort()).toEqual(many);
      firsts.add(given[0] ?? "");
    }
    expect([...firsts].sort()).toEqual(many);
  });

  test("when one goes the others stay", () => {
    const seen = view(records);
    seen.zones.setRecord("e1", undefined);
    expect([...answer("all", seen)].sort()).toEqual(["192.0.2.1", "192.0.2.3"]);
    expect(answer("c1", seen)).toBe("NXDOMAIN");
  });
});

describe("an endpoint that is not ready", () => {
  const both = [
    record({ names: ["web"], addresses: [ip("192.0.2.1")], isReady: false }),
    record({ endpointId: "e2", names: ["web", "db"], addresses: [ip("192.0.2.2")] }),
  ];

  test("leaves a name to others that bear it, until it is ready", () => {
    const seen = view(both);
    expect(answer("web", seen)).toEqual(["192.0.2.2"]);
    seen.zones.setRecord("e1", record({ names: ["web"], addresses: [ip("192.0.2.1")] }));
    expect(answer("web", seen)).toHaveLength(2);
  });

  test("answers where nobody else does, or nobody who is ready", () => {
    const seen = view(both);
    seen.zones.setRecord("e2", undefined);
    expect(answer("web", seen)).toEqual(["192.0.2.1"]);
    const ill = record({ endpointId: "e2", names: ["web"], addresses: [ip("192.0.2.2")], isReady: false });
    seen.zones.setRecord("e2", ill);
    expect(answer("web", seen)).toHaveLength(2);
  });

  test("is still found by its address", () => {
    expect(answer("1.2.0.192.in-addr.arpa", view(both), { type: "PTR" })).toEqual(["web.x1"]);
  });
});

test("private names come first and know their endpoints on any network", () => {
  const records = [
    record({ names: ["db"] }),
    record({
      networkId: "n9",
      networkName: "x9",
      endpointId: "e9",
      names: ["c9"],
      addresses: [ip("192.0.2.9")],
    }),
  ];
  const seen = view(records, { privateNames: { db: ["e9"], gone: ["e0"] } });
  expect(answer("DB", seen)).toEqual(["192.0.2.9"]);
  expect(answer("gone", seen)).toBe("NXDOMAIN");
  expect(answer("constructor", seen)).toBe("NXDOMAIN");
});

describe("names that are not ours", () => {
  const seen = view([record()]);

  test("of one label do not exist, whatever is asked of them", () => {
    for (const type of ["A", "AAAA", "MX", "TXT", "NS", "SRV"] as const)
      expect(answer("nobody", seen, { type })).toBe("NXDOMAIN");
  });

  test("of more labels, and the root, go outside", () => {
    expect(answer("www.example.com", seen)).toBe("forward");
    expect(answer("nobody.c1", seen)).toBe("forward");
    expect(answer(".", seen, { type: "NS" })).toBe("forward");
  });

  test("do not exist where nothing goes outside", () => {
    const closed = view([record()], { forwards: false });
    expect(answer("www.example.com", closed)).toBe("NXDOMAIN");
    expect(answer(".", closed, { type: "NS" })).toBe("NXDOMAIN");
    expect(answer("c1", closed)).toEqual(["192.0.2.1"]);
  });
});

test("an EDNS version that we do not know is BADVERS", () => {
  const asked = query("c1", { udpSize: 1232, version: 1 });
  const decision = decide(asked, view([record()]));
  if (decision.kind !== "reply") throw new Error("not answered");
  const decoded = packet.decode(encodeReply(asked, decision.content, "udp"));
  expect(decoded.additionals?.[0]).toMatchObject({ type: "OPT", extendedRcode: 1, ednsVersion: 0 });
});

test("a record that changes network, names and addresses leaves nothing of the old ones", () => {
  const seen = view([record({ names: ["a", "b"] })], { networks: ["n1", "n2"] });
  const before = seen.zones.version;
  seen.zones.setRecord(
    "e1",
    record({ networkId: "n2", networkName: "x2", names: ["b"], addresses: [ip("192.0.2.7")] }),
  );
  expect(seen.zones.version).toBeGreaterThan(before);
  expect(answer("a", seen)).toBe("NXDOMAIN");
  expect(answer("b", seen)).toEqual(["192.0.2.7"]);
  expect(answer("b.x1", seen)).toBe("forward");
  expect(answer("1.2.0.192.in-addr.arpa", seen, { type: "PTR" })).toBe("forward");
  expect(answer("7.2.0.192.in-addr.arpa", seen, { type: "PTR" })).toEqual(["b.x2"]);
});
