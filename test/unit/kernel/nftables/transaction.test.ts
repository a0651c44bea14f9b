// How a transaction is framed.

import { expect, test } from "vitest";
import type { Message } from "../../../../src/kernel/codec.ts";
import { addTable, deleteTable, type RulesetEvent } from "../../../../src/kernel/nftables/index.ts";
import { nftType } from "../../../../src/kernel/nftables/numbers.ts";
import { nfgenmsg } from "../../../../src/kernel/nftables/request.ts";
import { transaction } from "../../../../src/kernel/nftables/socket.ts";
import { transactions } from "../../../../src/kernel/nftables/watch.ts";

const table = { family: "inet", name: "t" } as const;
const ack = 4;

test("a transaction is framed by begin and end of the nftables subsystem, and its last change asks for an answer", () => {
  const [begin, first, last, end] = transaction([addTable(table), deleteTable(table)]);
  expect([begin?.type, end?.type]).toEqual([16, 17]);
  expect([...(begin?.payload ?? [])]).toEqual([0, 0, 0, 10]);
  expect((first?.flags ?? 0) & ack).toBe(0);
  expect((last?.flags ?? 0) & ack).toBe(ack);
});

test("a transaction may name the generation that it builds on", () => {
  const [begin] = transaction([addTable(table)], 7);
  expect([...(begin?.payload ?? [])].slice(4)).toEqual([8, 0, 1, 0, 0, 0, 0, 7]);
});

test("requests say what nft would be told", () => {
  expect(addTable(table).words).toBe("nft add table inet t");
  expect(addTable(table, { exclusive: true }).words).toBe("nft create table inet t");
});

const message = (type: number, payload: Buffer): Message => ({ type, flags: 0, sequence: 0, payload });
const about = (family: number, name: string) => nfgenmsg(family).string(1, name).finish();
const generation = (thread: number, name: string) =>
  nfgenmsg(0).be32(1, 1).be32(2, thread).string(3, name).finish();

test("notifications become one event per transaction, with the tables that it touched", () => {
  const events: RulesetEvent[] = [];
  const listen = transactions((event) => events.push(event));
  listen([message(nftType.newTable, about(1, "a")), message(nftType.newRule, about(1, "a"))]);
  expect(events).toEqual([]);
  listen([
    message(nftType.newSet, about(2, "b")),
    message(nftType.newGeneration, generation(0x7fffffff, "nft")),
  ]);
  listen([message(nftType.newGeneration, generation(process.pid, "node"))]);
  expect(events).toEqual([
    {
      kind: "changed",
      tables: [
        { family: "inet", name: "a" },
        { family: "ip", name: "b" },
      ],
      byUs: false,
      processId: 0x7fffffff,
      process: "nft",
    },
    { kind: "changed", tables: [], byUs: true, processId: process.pid, process: "node" },
  ]);
});
