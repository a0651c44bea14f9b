// Answers that nothing is there: NXDOMAIN and NODATA, and what a cache may make of them (RFC 2308, RFC 8020).

import * as packet from "dns-packet";
import { describe, expect, test } from "vitest";
import { decide, encodeReply, parseQuery, type View } from "../../../src/dns/index.ts";
import { answer, ip, type QueryOptions, query, queryBytes, record, view } from "./world.ts";

function decoded(name: string, seen: View, options: QueryOptions = {}) {
  const asked = query(name, options);
  const decision = decide(asked, seen);
  if (decision.kind !== "reply") throw new Error("not answered");
  return packet.decode(encodeReply(asked, decision.content, "udp")) as packet.DecodedPacket & {
    rcode: string;
  };
}

const seen = view([
  record({ names: ["c1"], addresses: [ip("192.0.2.1")] }),
  record({ endpointId: "e2", names: ["a.b"], addresses: [ip("192.0.2.2")] }),
]);

describe("a negative answer", () => {
  test.each([
    ["NODATA of a name of ours", "c1", "AAAA", "NOERROR", "c1"],
    ["NODATA of an address of ours", "1.2.0.192.in-addr.arpa", "A", "NOERROR", "1.2.0.192.in-addr.arpa"],
    ["NXDOMAIN of one label", "nobody", "A", "NXDOMAIN", "."],
    ["NXDOMAIN below a name of ours", "_http._tcp.c1", "SRV", "NXDOMAIN", "c1"],
  ] as const)("%s bears the zone's SOA, which lets it be kept for a second", (_, name, type, rcode, zone) => {
    const reply = decoded(name, seen, { type });
    expect(reply).toMatchObject({ rcode, answers: [], additionals: [] });
    expect(reply.authorities).toMatchObject([{ type: "SOA", name: zone, ttl: 1, data: { minimum: 1 } }]);
  });

  test("an answer with records, and an error that is not about the name, bear none", () => {
    expect(decoded("c1", seen).authorities).toEqual([]);
    expect(decoded("c1", seen, { udpSize: 1232, version: 1 }).authorities).toEqual([]);
  });

  test("is authoritative for what is ours alone", () => {
    expect(decoded("c1", seen, { type: "AAAA" }).flag_aa).toBe(true);
    expect(decoded("_http._tcp.c1", seen).flag_aa).toBe(true);
    expect(decoded("nobody", seen).flag_aa).toBe(false);
  });

  test("has an OPT record where the query had one, after the SOA", () => {
    expect(decoded("nobody", seen, { udpSize: 1232 })).toMatchObject({
      authorities: [{ type: "SOA" }],
      additionals: [{ type: "OPT" }],
    });
  });
});

describe("a name above one of ours", () => {
  test("exists without records: whoever knows RFC 8020 takes NXDOMAIN for all below it", () => {
    expect(answer("x1", seen)).toEqual([]);
    expect(answer("X1", seen, { type: "AAAA" })).toEqual([]);
    expect(answer("b", seen)).toEqual([]);
    expect(answer("net", view([record({ networkName: "my.net" })]))).toEqual([]);
    expect(answer("x", seen)).toBe("NXDOMAIN");
  });

  test("of several labels belongs to the world where one may ask it", () => {
    const named = [record({ names: ["www.example.com"] })];
    expect(answer("example.com", view(named))).toBe("forward");
    expect(answer("example.com", view(named, { forwards: false }))).toEqual([]);
    expect(answer("com.x1", view(named, { forwards: false }))).toEqual([]);
    expect(answer("org.x1", view(named, { forwards: false }))).toBe("NXDOMAIN");
  });

  test("of a link's name exists too", () => {
    expect(answer("test", view([], { privateNames: { "db.test": ["e9"] } }))).toEqual([]);
  });
});

describe("services of our names", () => {
  test.each(["_http._tcp.c1", "_sip._udp.c1.x1", "_dmarc.c1", "_a._b._c.a.b"])(
    "%s is not asked outside",
    (name) => {
      for (const type of ["SRV", "TXT", "A"] as const) expect(answer(name, seen, { type })).toBe("NXDOMAIN");
    },
  );

  test("those of others are", () => {
    expect(answer("_http._tcp.example.com", seen, { type: "SRV" })).toBe("forward");
    expect(answer("_http.nobody", seen, { type: "SRV" })).toBe("forward");
    expect(answer("www.c1", seen)).toBe("forward"); // names like app and dev are top-level domains too
  });
});

describe("labels", () => {
  const bytesOf = (...labels: string[]) => {
    const name = Buffer.concat(
      labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])),
    );
    return Buffer.concat([queryBytes("x").subarray(0, 12), name, Buffer.from([0, 0, 1, 0, 1])]);
  };
  const decision = (bytes: Buffer) => {
    const parsed = parseQuery(bytes);
    return parsed.kind === "query" ? decide(parsed.query, seen) : parsed.kind;
  };

  test("a dot within one makes it no second one: it does not leave", () => {
    expect(decision(bytesOf("secret.example"))).toMatchObject({ kind: "reply", content: { rcode: 3 } });
    expect(decision(bytesOf("a.b"))).toMatchObject({ content: { rcode: 3 } }); // and it is not a.b
    expect(decision(bytesOf("secret", "example"))).toEqual({ kind: "forward" });
  });

  test("bytes that are no text neither match nor break anything, and are repeated as they came", () => {
    const bytes = bytesOf("c1");
    bytes[13] = 0xff;
    const parsed = parseQuery(bytes);
    if (parsed.kind !== "query") throw new Error("not a query");
    const reply = encodeReply(parsed.query, { rcode: 3, zoneAfter: 1 }, "udp");
    expect(reply.subarray(12, 16)).toEqual(bytes.subarray(12, 16));
  });
});
