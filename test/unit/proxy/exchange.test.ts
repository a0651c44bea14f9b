// One question and its name servers: order, patience, fall-backs, with a fake clock.

import * as packet from "dns-packet";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Query } from "../../../src/dns/index.ts";
import { exchange } from "../../../src/proxy/exchange.ts";
import { type Asked, type Asker, Upstream } from "../../../src/proxy/upstream.ts";
import { query } from "../dns/world.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const asked = query("www.example.com");

type Behaviour = "silent" | "unreachable" | { readonly afterMs: number; readonly response: Buffer };

/** A name server that behaves as told, and counts. */
class Fake {
  behaviour: Behaviour;
  questions = 0;
  cancelled = 0;
  readonly upstream: Upstream;

  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    const asker: Asker = {
      ask: (_query: Query, settle: (asked: Asked) => void) => this.#ask(settle),
      close: () => undefined,
    };
    this.upstream = new Upstream({ udp: asker, tcp: asker }, () => Date.now());
  }

  #ask(settle: (asked: Asked) => void): () => void {
    this.questions++;
    const { behaviour } = this;
    if (behaviour === "unreachable") setTimeout(() => settle({ kind: "failed", reason: "refused" }), 0);
    else if (behaviour !== "silent")
      setTimeout(() => settle({ kind: "answered", response: behaviour.response }), behaviour.afterMs);
    return () => {
      this.cancelled++;
    };
  }
}

const response = (rcode: number, data?: string) => {
  const answers = data ? [{ name: "www.example.com", type: "A" as const, ttl: 1, data }] : [];
  return packet.encode({
    type: "response",
    flags: rcode,
    questions: [{ name: "www.example.com", type: "A" }],
    answers,
  });
};
const gives = (data: string, afterMs = 5) => new Fake({ afterMs, response: response(0, data) });
const says = (rcode: number, afterMs = 5) => new Fake({ afterMs, response: response(rcode) });

/** What an exchange comes to, and when. */
async function outcome(...servers: readonly Fake[]): Promise<{ answer: string; ms: number }> {
  const startMs = Date.now();
  let ms = -1;
  const whole = exchange(
    asked,
    "udp",
    servers.map(({ upstream }) => upstream),
  ).then((bytes) => {
    ms = Date.now() - startMs;
    return bytes;
  });
  for (let steps = 0; ms < 0 && steps < 10_000; steps++) await vi.advanceTimersByTimeAsync(1);
  const bytes = await whole;
  if (!bytes) return { answer: "none", ms };
  const decoded = packet.decode(bytes) as packet.DecodedPacket & { rcode: string };
  const [first] = decoded.answers ?? [];
  return { answer: first && "data" in first ? String(first.data) : decoded.rcode, ms };
}

describe("servers are asked in order", () => {
  test("and one that answers is the only one asked", async () => {
    const [first, second] = [gives("192.0.2.1"), gives("192.0.2.2")];
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.1", ms: 5 });
    expect(second.questions).toBe(0);
  });

  test("nobody is asked where there is nobody", async () => {
    expect(await outcome()).toMatchObject({ answer: "none" });
  });

  test("a fourth server is never asked", async () => {
    const servers = [says(2), says(2), says(2), gives("192.0.2.4")];
    expect(await outcome(...servers)).toMatchObject({ answer: "SERVFAIL" });
    expect(servers[3]?.questions).toBe(0);
  });
});

describe("the next one is asked", () => {
  test.each([2, 4, 5])("at once after rcode %i", async (rcode) => {
    expect(await outcome(says(rcode), gives("192.0.2.2"))).toEqual({ answer: "192.0.2.2", ms: 10 });
  });

  test("at once when one cannot be reached, which is then not asked again for a while", async () => {
    const [first, second] = [new Fake("unreachable"), gives("192.0.2.2")];
    expect((await outcome(first, second)).ms).toBeLessThan(10);
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.2", ms: 5 });
    expect(first.questions).toBe(1);
  });

  test("after a while of silence, but a name that does not exist does not end it", async () => {
    const second = says(3);
    expect(await outcome(second, gives("192.0.2.2"))).toEqual({ answer: "NXDOMAIN", ms: 5 });
    expect(await outcome(new Fake("silent"), gives("192.0.2.2"))).toEqual({ answer: "192.0.2.2", ms: 55 });
  });

  test("sooner when the first has not answered of late than when it is known to live", async () => {
    const [first, second] = [gives("192.0.2.1"), gives("192.0.2.2")];
    await outcome(first, second);
    first.behaviour = "silent";
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.2", ms: 405 });
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.2", ms: 55 });
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.2", ms: 55 });
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.2", ms: 5 });
  });

  test("after the usual while when it is the only one: there is nobody else to ask", async () => {
    const lonely = gives("192.0.2.1", 300);
    expect(await outcome(lonely)).toEqual({ answer: "192.0.2.1", ms: 300 });
    expect(lonely.questions).toBe(1);
  });
});

describe("a slow first server keeps its say", () => {
  test("when the second finds nothing meanwhile", async () => {
    const slow = gives("192.0.2.1", 900);
    expect(await outcome(slow, says(3))).toEqual({ answer: "192.0.2.1", ms: 900 });
    expect(await outcome(slow, says(0))).toEqual({ answer: "192.0.2.1", ms: 900 });
  });

  test("but not against an answer", async () => {
    expect(await outcome(gives("192.0.2.1", 900), gives("192.0.2.2"))).toMatchObject({ answer: "192.0.2.2" });
  });

  test("for as long as it deserves", async () => {
    expect(await outcome(new Fake("silent"), says(3))).toEqual({ answer: "NXDOMAIN", ms: 1055 });
  });

  test("and when it fails after all, the second's nothing counts", async () => {
    expect(await outcome(says(2, 900), says(3))).toEqual({ answer: "NXDOMAIN", ms: 900 });
  });

  test("and is not taken for dead while it answers other questions", async () => {
    const slow = gives("192.0.2.1", 900);
    for (let at = 0; at < 5; at++) await outcome(slow, gives("192.0.2.2"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(slow.upstream.isDown).toBe(false);
  });
});

describe("a silent server", () => {
  test("is passed over once it has let three questions wait", async () => {
    const [first, second] = [new Fake("silent"), gives("192.0.2.2")];
    for (let at = 0; at < 3; at++) expect((await outcome(first, second)).ms).toBe(55);
    expect(first.upstream.isDown).toBe(true);
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.2", ms: 5 });
  });

  test("is tried now and then without waiting for it, and leads again when it answers", async () => {
    const [first, second] = [new Fake("silent"), gives("192.0.2.2")];
    for (let at = 0; at < 3; at++) await outcome(first, second);
    const before = first.questions;
    await outcome(first, second);
    expect(first.questions).toBe(before);
    await vi.advanceTimersByTimeAsync(1000);
    expect((await outcome(first, second)).ms).toBe(5);
    expect(first.questions).toBe(before + 1);
    first.behaviour = { afterMs: 5, response: response(0, "192.0.2.1") };
    await vi.advanceTimersByTimeAsync(1000);
    await outcome(first, second);
    await vi.advanceTimersByTimeAsync(10);
    expect(await outcome(first, second)).toEqual({ answer: "192.0.2.1", ms: 5 });
  });

  test("alone is asked again, since datagrams get lost, and given up in time", async () => {
    const lonely = new Fake("silent");
    expect(await outcome(lonely)).toEqual({ answer: "none", ms: 4000 });
    expect(lonely.questions).toBe(5);
    expect(lonely.cancelled).toBe(5);
  });

  test("that answers late still counts, for the asker and for its health", async () => {
    const late = gives("192.0.2.1", 1500);
    expect(await outcome(late)).toEqual({ answer: "192.0.2.1", ms: 1500 });
    expect(late.upstream.isDown).toBe(false);
  });
});

test("nothing is left running when all is answered", async () => {
  await outcome(gives("192.0.2.1"));
  expect(vi.getTimerCount()).toBe(0);
  await outcome(new Fake("silent"), gives("192.0.2.2"));
  await vi.advanceTimersByTimeAsync(4000);
  expect(vi.getTimerCount()).toBe(0);
});
