// Changes of the ruleset, as transactions: which tables were touched, and by whom.

import { existsSync } from "node:fs";
import { Attributes, type Message } from "../codec.ts";
import { netlinkProtocol } from "../netlink-socket.ts";
import { type Watch, watchNetlink } from "../netlink-watch.ts";
import { familyNumber, nftablesGroup, nftType, tableAttribute } from "./numbers.ts";
import type { Table, TableFamily } from "./values.ts";

/** One committed transaction, or `lost`: notifications came faster than they were read, so anything may have changed. */
export type RulesetEvent =
  | {
      readonly kind: "changed";
      readonly tables: readonly Table[];
      readonly byUs: boolean;
      /** Of the thread that committed it. */
      readonly processId: number;
      readonly process: string;
    }
  | { readonly kind: "lost" };

/** Calls `listener` after every transaction in the namespace, our own too. */
export function watchNftables(
  netns: string | undefined,
  listener: (event: RulesetEvent) => void,
): Promise<Watch> {
  const gather = transactions(listener);
  return watchNetlink({
    protocol: netlinkProtocol.netfilter,
    netns,
    groups: [nftablesGroup],
    messages: gather,
    lost: () => listener({ kind: "lost" }),
  });
}

/** Puts messages together to transactions: each ends with the message of its generation. */
export function transactions(
  listener: (event: RulesetEvent) => void,
): (messages: readonly Message[]) => void {
  let touched = new Map<string, Table>();
  let last: Buffer | undefined;
  return (messages) => {
    for (const { type, payload } of messages) {
      if (type !== nftType.newGeneration) {
        // each of tens of thousands of elements has a message of its own
        if (last && beginsAs(payload, last)) continue;
        const table = tableOf(payload);
        if (table) touched.set(`${table.family} ${table.name}`, table);
        last = payload;
        continue;
      }
      last = undefined;
      const attributes = new Attributes(payload.subarray(headerSize));
      const tables = [...touched.values()];
      touched = new Map();
      const process = attributes.string(generationAttribute.processName) ?? "";
      const processId = attributes.be32(generationAttribute.processId) ?? 0;
      listener({ kind: "changed", tables, byUs: isThreadOfOurs(processId), processId, process });
    }
  };
}

const generationAttribute = { processId: 2, processName: 3 } as const;

/** The first attribute of every message about a table, and of all that is in one, is the table's name. */
function tableOf(payload: Buffer): Table | undefined {
  const name = new Attributes(payload.subarray(headerSize)).string(tableAttribute.name);
  const found = Object.entries(familyNumber).find(([, number]) => number === payload[0]);
  return found && name !== undefined ? { family: found[0] as TableFamily, name } : undefined;
}

/** Whether two messages are about the same table: of one family, and with one first attribute. */
function beginsAs(payload: Buffer, other: Buffer): boolean {
  const end = headerSize + (other.length >= headerSize + 2 ? other.readUInt16LE(headerSize) : 0);
  const isLongEnough = payload.length >= end && other.length >= end;
  return (
    isLongEnough && payload[0] === other[0] && payload.compare(other, headerSize, end, headerSize, end) === 0
  );
}

/** sizeof(struct nfgenmsg). */
const headerSize = 4;

/** The kernel names the thread. */
function isThreadOfOurs(thread: number): boolean {
  return existsSync(`/proc/self/task/${thread}`);
}
