// How a host gets addresses of a block that another one owns: it puts a request on record, and the owner, which alone
// knows what it has handed out, answers in the transaction that changes the block's record.

import { randomBytes } from "node:crypto";
import { type Address, formatAddress } from "../../src/netip/index.ts";
import { aside, isAgreed, type Parts } from "./parts.ts";
import type { Pool } from "./pool.ts";
import type { Answer, AskRecord } from "./records.ts";

export interface Question {
  readonly pool: Pool;
  /** Absent: any. */
  readonly address?: Address;
  readonly count: number;
}

/** `silent`: the host does not answer. */
export type Heard = Answer | { readonly kind: "silent" };

/** Asks one host, and takes the question off the record again. @throws unavailable */
export async function ask(parts: Parts, owner: string, { pool, address, count }: Question): Promise<Heard> {
  const { tables, self } = parts;
  const key = `${owner}/${self}/${randomBytes(6).toString("hex")}`;
  const heard = expectAnswer(parts, key);
  try {
    const question: AskRecord = {
      by: self,
      pool: pool.uid,
      ...(address && { address: formatAddress(address) }),
      count,
    };
    await tables.asks.create(key, question);
    const answer = await heard.answer;
    if (answer.kind === "silent") return await withdraw(parts, key);
    aside(parts, "take a question off the record", () => tables.asks.delete(key));
    return answer;
  } finally {
    heard.end();
  }
}

/** Questions of this host that nobody waits for any more: an earlier life's, or one whose withdrawal failed. */
export function forgetQuestions({ tables, self, answers }: Parts): Promise<unknown> {
  const left = [...tables.asks.entries()].filter(({ key, value }) => value.by === self && !answers.has(key));
  return Promise.all(left.map(({ key }) => tables.asks.delete(key)));
}

function expectAnswer(
  parts: Parts,
  key: string,
): { readonly answer: Promise<Heard>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const cancel = parts.clock.after(parts.answerMs, () => resolve({ kind: "silent" }));
  parts.answers.set(key, resolve);
  const end = () => {
    cancel();
    parts.answers.delete(key);
  };
  return { answer: promise, end };
}

/** The answer may come at this very moment. */
async function withdraw({ cluster, tables }: Parts, key: string): Promise<Heard> {
  const entry = tables.asks.get(key);
  if (!entry) return { kind: "silent" };
  const isWithdrawn =
    !entry.value.answer && (await isAgreed(cluster.commit((it) => it.remove(tables.asks, entry))));
  return isWithdrawn ? { kind: "silent" } : (tables.asks.get(key)?.value.answer ?? { kind: "silent" });
}
