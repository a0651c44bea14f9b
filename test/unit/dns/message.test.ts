// Messages on the wire: bad queries, sizes, upstreams' replies.

import * as packet from "dns-packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  answersQuery,
  decide,
  encodeReply,
  movingRecords,
  parseQuery,
  relayReply,
  udpLimit,
} from "../../../src/dns/index.ts";
import { ip, query, queryBytes, record, view } from "./world.ts";

describe("what is not a good query", () => {
  const rcodeOf = (bytes: Buffer) => {
    const parsed = parseQuery(bytes);
    if (parsed.kind !== "error") return parsed.kind;
    expect(parsed.reply.readUInt16BE(0)).toBe(bytes.readUInt16BE(0));
    expect(parsed.reply[2] ?? 0).toBeGreaterThanOrEqual(0x80);
    return parsed.reply.readUInt16BE(2) & 0xf;
  };
  const changed = (at: number, value: number) => {
    const bytes = queryBytes("c1");
    bytes.writeUInt16BE(value, at);
    return bytes;
  };

  test("a response and what is too short are dropped: an answer could start a loop", () => {
    expect(rcodeOf(changed(2, 0x8100))).toBe("drop");
    expect(rcodeOf(Buffer.alloc(11))).toBe("drop");
    expect(rcodeOf(Buffer.alloc(0))).toBe("drop");
  });

  test("other operations are not implemented", () => {
    expect(rcodeOf(changed(2, 5 << 11))).toBe(4);
  });

  test("none or several questions, records where none belong, and cut-off questions are malformed", () => {
    expect(rcodeOf(changed(4, 0))).toBe(1);
    expect(rcodeOf(changed(4, 2))).toBe(1);
    expect(rcodeOf(changed(6, 65535))).toBe(1);
    expect(rcodeOf(changed(8, 1))).toBe(1);
    expect(rcodeOf(changed(10, 65535))).toBe(1);
    expect(rcodeOf(queryBytes("c1").subarray(0, -1))).toBe(1);
  });

  test("compression in a question is malformed, as it could only point to itself", () => {
    const bytes = Buffer.concat([queryBytes("c1").subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]);
    expect(rcodeOf(bytes)).toBe(1);
  });

  test("a name of more than 255 bytes is malformed", () => {
    const label = Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 0x61)]);
    const name = Buffer.concat([label, label, label, label, Buffer.from([0])]);
    expect(rcodeOf(Buffer.concat([queryBytes("c1").subarray(0, 12), name, Buffer.from([0, 1, 0, 1])]))).toBe(
      1,
    );
  });

  test("classes other than IN are refused", () => {
    expect(
      rcodeOf(
        packet.encode({ type: "query", questions: [{ name: "version.bind", type: "TXT", class: "CH" }] }),
      ),
    ).toBe(5);
  });
});

describe("sizes over UDP", () => {
  const many = Array.from({ length: 100 }, (_, at) => ip(`192.0.2.${at}`));
  const seen = view([record({ addresses: many })]);
  const reply = (udpSize: number | undefined, transport: "udp" | "tcp") => {
    const asked = query("c1", udpSize ? { udpSize } : {});
    const decision = decide(asked, seen);
    if (decision.kind !== "reply") throw new Error("not answered");
    return encodeReply(asked, decision.content, transport);
  };

  test("a reply that the asker cannot take has what fits and says so: old musl never asks again over TCP", () => {
    for (const udpSize of [undefined, 512, 1232]) {
      const bytes = reply(udpSize, "udp");
      const limit = udpSize ?? 512;
      expect(packet.decode(bytes)).toMatchObject({ flag_tc: true });
      expect(bytes.length).toBeLessThanOrEqual(limit);
      expect(bytes.length).toBeGreaterThan(limit - 16); // not one record more would fit
    }
  });

  test("EDNS makes room, and TCP needs none", () => {
    expect(packet.decode(reply(4096, "udp"))).toMatchObject({ flag_tc: false });
    expect(packet.decode(reply(4096, "udp")).answers).toHaveLength(100);
    expect(packet.decode(reply(undefined, "tcp")).answers).toHaveLength(100);
  });

  test("a reply has an OPT record where the query had one, and only there", () => {
    expect(packet.decode(reply(4096, "udp")).additionals).toMatchObject([{ type: "OPT" }]);
    expect(packet.decode(reply(512, "udp")).additionals).toMatchObject([{ type: "OPT" }]);
    expect(packet.decode(reply(undefined, "udp")).additionals).toEqual([]);
  });

  test("an OPT record of another name than the root, or a second one, is malformed", () => {
    const opt = (owner: number[]) => Buffer.from([...owner, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    const withRecords = (...records: Buffer[]) => {
      const bytes = Buffer.concat([queryBytes("c1"), ...records]);
      bytes.writeUInt16BE(records.length, 10);
      return parseQuery(bytes);
    };
    expect(withRecords(opt([0]))).toMatchObject({ kind: "query", query: { edns: { udpSize: 1232 } } });
    expect(withRecords(opt([1, 97, 0]))).toMatchObject({ kind: "error" });
    expect(withRecords(opt([0xc0, 12]))).toMatchObject({ kind: "error" });
    expect(withRecords(opt([0]), opt([0]))).toMatchObject({ kind: "error" });
    expect(withRecords(opt([0]).subarray(0, 9))).toMatchObject({ kind: "error" });
  });

  test("the wish for DNSSEC is repeated, although there are no signatures (RFC 3225)", () => {
    const bytes = queryBytes("c1", { udpSize: 1232 });
    bytes[bytes.length - 4] = 0x80;
    const parsed = parseQuery(bytes);
    if (parsed.kind !== "query") throw new Error("not a query");
    const decoded = packet.decode(encodeReply(parsed.query, { rcode: 0 }, "udp"));
    expect(decoded.additionals).toMatchObject([{ flag_do: true }]);
  });

  test("what an asker says it takes is at least 512", () => {
    expect(udpLimit(query("c1", { udpSize: 100 }))).toBe(512);
  });
});

describe("upstream's replies", () => {
  const asked = query("www.Example.com", { type: "TXT" });
  const response = (data: string, more: Partial<packet.Packet> = {}) =>
    packet.encode({
      id: 99,
      type: "response",
      questions: [{ name: "www.example.com", type: "TXT" }],
      answers: [{ name: "www.example.com", type: "TXT", ttl: 1, data }],
      ...more,
    });

  test("are taken when id and question agree, case aside", () => {
    expect(answersQuery(response("x"), 99, asked)).toBe(true);
    expect(answersQuery(response("x"), 98, asked)).toBe(false);
    expect(answersQuery(response("x", { type: "query" }), 99, asked)).toBe(false);
    const other = [{ name: "www.example.net", type: "TXT" }] as const;
    expect(answersQuery(response("x", { questions: [...other] }), 99, asked)).toBe(false);
    expect(
      answersQuery(response("x", { questions: [{ name: "www.example.com", type: "A" }] }), 99, asked),
    ).toBe(false);
    expect(answersQuery(response("x", { questions: [] }), 99, asked)).toBe(false);
    expect(answersQuery(response("x").subarray(0, 14), 99, asked)).toBe(false);
  });

  test("go on under the asker's id, in the asker's spelling, otherwise untouched", () => {
    const decoded = packet.decode(relayReply(asked, response("hello"), "udp"));
    expect(decoded.id).toBe(7);
    expect(decoded.questions?.[0]?.name).toBe("www.Example.com");
    expect(decoded.answers).toMatchObject([{ data: [Buffer.from("hello")] }]);
  });

  test("are cut when the asker cannot take them, to the answers that fit", () => {
    const large = response("x".repeat(250), {
      answers: Array.from({ length: 4 }, () => ({
        name: "www.example.com",
        type: "TXT" as const,
        ttl: 1,
        data: "y".repeat(250),
      })),
    });
    const short = relayReply(asked, Buffer.from(large), "udp");
    expect(short.length).toBeLessThanOrEqual(512);
    expect(packet.decode(short)).toMatchObject({ flag_tc: true, authorities: [], additionals: [] });
    expect(packet.decode(short).answers).toHaveLength(1);
    expect(packet.decode(relayReply(asked, Buffer.from(large), "tcp")).answers).toHaveLength(4);
    const roomy = query("www.Example.com", { type: "TXT", udpSize: 800 });
    const cut = packet.decode(relayReply(roomy, Buffer.from(large), "udp"));
    expect(cut).toMatchObject({ flag_tc: true, additionals: [{ type: "OPT" }] });
    expect(cut.answers).toHaveLength(2);
  });
});

describe("whatever comes", () => {
  const seen = view([record({ names: ["c1", "a.b"] })]);
  /** Whether what is made of the bytes is in order; plain comparisons, since there are 100,000. */
  const isInOrder = (bytes: Buffer): boolean => {
    const parsed = parseQuery(bytes);
    if (parsed.kind === "drop") return true;
    if (parsed.kind === "error") return parsed.reply.length === 12;
    const { query: asked } = parsed;
    const decision = decide(asked, seen);
    if (decision.kind === "forward") return true;
    const reply = encodeReply(asked, decision.content, "udp");
    return (
      reply.length <= udpLimit(asked) &&
      reply.readUInt16BE(0) === bytes.readUInt16BE(0) &&
      reply.subarray(12, asked.questionEnd).equals(bytes.subarray(12, asked.questionEnd))
    );
  };

  test("random bytes get a reply or none, and never an exception", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => isInOrder(Buffer.from(bytes))),
      { numRuns: 50_000, seed: 1 },
    );
  });

  test("so do queries with bytes changed, cut off or added", { timeout: 60_000 }, () => {
    const edits = fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 });
    const base = fc.constantFrom("c1", "c1.x1", "a.b", "www.example.com", "1.2.0.192.in-addr.arpa");
    fc.assert(
      fc.property(base, edits, fc.nat(60), fc.uint8Array({ maxLength: 40 }), (name, changes, cut, tail) => {
        const bytes = Buffer.concat([queryBytes(name, { udpSize: 1232 }), tail]);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return isInOrder(bytes.subarray(0, bytes.length - (cut > 40 ? cut - 40 : 0)));
      }),
      { numRuns: 50_000, seed: 2 },
    );
  });

  test("upstream's bytes never break the comparison", () => {
    const asked = query("www.example.com");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(65535), (bytes, id) => {
        answersQuery(Buffer.from(bytes), id, asked);
      }),
      { seed: 3 },
    );
  });

  test("upstream's answers, however broken behind the question, are cut to a whole message", () => {
    const asked = query("www.example.com");
    const head = Buffer.from(asked.bytes.subarray(0, asked.questionEnd));
    head.writeUInt16BE(0x8180, 2);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 500, maxLength: 900 }), fc.nat(65535), (tail, answers) => {
        head.writeUInt16BE(answers, 6);
        const cut = relayReply(asked, Buffer.concat([head, tail]), "udp");
        expect(cut.length).toBeLessThanOrEqual(512);
        expect(cut.readUInt16BE(2) & 0x200).toBe(0x200);
      }),
      { numRuns: 5000, seed: 4 },
    );
  });
});

describe("records that may change places", () => {
  const many = (count: number, family = 4) =>
    Array.from({ length: count }, (_, at) =>
      record({
        endpointId: `e${at}`,
        addresses: [ip(family === 4 ? `192.0.2.${at + 1}` : `2001:db8::${at + 1}`)],
      }),
    );
  const movingIn = (name: string, records: ReturnType<typeof many>, options = {}) => {
    const asked = query(name, options);
    const decision = decide(asked, view(records));
    if (decision.kind === "forward") throw new TypeError("forwarded");
    const reply = encodeReply(asked, decision.content, "udp");
    return { reply, moving: movingRecords(asked, decision.content, reply) };
  };

  test("lie one after the other behind the question", () => {
    const { reply, moving } = movingIn("c1", many(3));
    expect(moving).toEqual({ from: queryBytes("c1").length, size: 16, count: 3 });
    const changed = Buffer.concat([
      reply.subarray(0, moving?.from),
      reply.subarray((moving?.from ?? 0) + 16),
      reply.subarray(moving?.from, (moving?.from ?? 0) + 16),
    ]);
    const dataOf = (bytes: Buffer) =>
      (packet.decode(bytes).answers ?? []).map((one) => ("data" in one ? String(one.data) : ""));
    const [first = "", ...others] = dataOf(reply);
    expect(dataOf(changed)).toEqual([...others, first]);
    expect(movingIn("c1", many(2, 6), { type: "AAAA" }).moving).toMatchObject({ size: 28, count: 2 });
    expect(movingIn("c2", many(1)).moving).toMatchObject({ count: 0 });
  });

  test("are none in a reply that was cut, or whose records are of several sizes", () => {
    expect(movingIn("c1", many(100)).moving).toBeUndefined();
    const both = [record({ addresses: [ip("192.0.2.1"), ip("2001:db8::1")] })];
    expect(movingIn("c1", both, { type: "ANY" }).moving).toBeUndefined();
    expect(movingIn("c1", both).moving).toMatchObject({ count: 1 });
  });
});
