// A handle on the nftables of one network namespace: atomic transactions and dumps.

import { Attributes, nlmFlag } from "../codec.ts";
import { type NetlinkSocket, netlinkProtocol, openNetlinkSocket } from "../netlink-socket.ts";
import type { Request } from "../request.ts";
import type { TableDump } from "./compare.ts";
import {
  type ChainState,
  decodeChain,
  decodeElements,
  decodeRule,
  decodeSet,
  decodeTable,
  type RuleState,
  type SetState,
  type TableState,
} from "./decode.ts";
import { batchType, elementList, familyNumber, nftType, subsystem } from "./numbers.ts";
import { nfgenmsg } from "./request.ts";
import type { Element, Table } from "./values.ts";

/** The nftables of one network namespace. */
export interface Nftables extends AsyncDisposable {
  /**
   * Applies all changes in one transaction or none. Rejects with the NetlinkError of the first message that the kernel
   * refused; errno 85 (ERESTART) when `generation` is given and the ruleset has changed since.
   */
  commit(changes: readonly Request[], options?: { readonly generation?: number }): Promise<void>;
  /** The number that every committed transaction, anyone's, raises. */
  generation(): Promise<number>;
  tables(): Promise<TableState[]>;
  chains(table: Table): Promise<ChainState[]>;
  rules(table: Table): Promise<RuleState[]>;
  sets(table: Table): Promise<SetState[]>;
  /** The chains, sets and rules of a table as the kernel describes them, for `isMadeBy`. ENOENT: there is no such table. */
  describe(table: Table): Promise<TableDump>;
  /** Rejects with ENOENT when there is no such set. */
  elements(table: Table, set: string): Promise<Element[]>;
  /** The same as the kernel describes them, for `elementChanges`. */
  describeElements(table: Table, set: string): Promise<Buffer[]>;
  close(): Promise<void>;
}

/** Opens a handle in a namespace (path of its file; undefined = the process's own). */
export async function openNftables(netns?: string): Promise<Nftables> {
  return new Handle(await openNetlinkSocket(netlinkProtocol.netfilter, netns));
}

class Handle implements Nftables {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  async commit(changes: readonly Request[], options: { readonly generation?: number } = {}): Promise<void> {
    if (changes.length === 0) return;
    await this.#socket.send(transaction(changes, options.generation));
  }

  async generation(): Promise<number> {
    const payload = nfgenmsg(0).finish();
    const answers = await this.#socket.send([
      { type: nftType.getGeneration, flags: nlmFlag.ack, payload, words: "nft get generation" },
    ]);
    const answer = answers.find(({ type }) => type === nftType.newGeneration);
    return (answer && attributesOf(answer.payload).be32(1)) ?? 0;
  }

  async tables(): Promise<TableState[]> {
    return (await this.#dump(nftType.getTable, 0, "tables")).map(decodeTable);
  }

  async chains(table: Table): Promise<ChainState[]> {
    return (await this.#dumpOf(nftType.getChain, table, "chains")).map(decodeChain);
  }

  async rules(table: Table): Promise<RuleState[]> {
    return (await this.#dumpOf(nftType.getRule, table, "rules")).map(decodeRule);
  }

  async sets(table: Table): Promise<SetState[]> {
    return (await this.#dumpOf(nftType.getSet, table, "sets")).map(decodeSet);
  }

  async describe(table: Table): Promise<TableDump> {
    const [sets, chains, rules] = await Promise.all([
      this.#dumpOf(nftType.getSet, table, "sets"),
      this.#dumpOf(nftType.getChain, table, "chains"),
      this.#dumpOf(nftType.getRule, table, "rules"),
    ]);
    return { sets, chains, rules };
  }

  async elements(table: Table, set: string): Promise<Element[]> {
    return (await this.describeElements(table, set)).flatMap(decodeElements);
  }

  async describeElements(table: Table, set: string): Promise<Buffer[]> {
    const encoder = nfgenmsg(familyNumber[table.family]);
    const payload = encoder.string(elementList.table, table.name).string(elementList.set, set).finish();
    const words = `nft list set ${table.family} ${table.name} ${set}`;
    const answers = await this.#socket.dump({ type: nftType.getElement, flags: 0, payload, words });
    return answers.map(({ payload }) => payload);
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The kernel narrows dumps of sets and rules down to the table, but not those of chains. */
  async #dumpOf(type: number, table: Table, what: string): Promise<Buffer[]> {
    const payload = nfgenmsg(familyNumber[table.family]).string(1, table.name).finish();
    const words = `nft list ${what} ${table.family} ${table.name}`;
    const answers = await this.#socket.dump({ type, flags: 0, payload, words });
    return answers
      .map(({ payload: found }) => found)
      .filter((found) => attributesOf(found).string(1) === table.name);
  }

  async #dump(type: number, family: number, what: string): Promise<Buffer[]> {
    const request = { type, flags: 0, payload: nfgenmsg(family).finish(), words: `nft list ${what}` };
    return (await this.#socket.dump(request)).map(({ payload }) => payload);
  }
}

/** BATCH_BEGIN, the changes, BATCH_END; only the last change asks for an answer (kernels acknowledge the end since 6.10). */
export function transaction(changes: readonly Request[], generation?: number): Request[] {
  const words = changes[0]?.words ?? "";
  const begin = nfgenmsg(0, subsystem >> 8);
  if (generation !== undefined) begin.be32(1, generation);
  const asking = changes.map((change, at) =>
    at === changes.length - 1 ? { ...change, flags: change.flags | nlmFlag.ack } : change,
  );
  return [
    { type: batchType.begin, flags: 0, payload: begin.finish(), words },
    ...asking,
    { type: batchType.end, flags: 0, payload: nfgenmsg(0, subsystem >> 8).finish(), words },
  ];
}

function attributesOf(payload: Buffer): Attributes {
  return new Attributes(payload.subarray(4));
}
