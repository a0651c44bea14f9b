// Guards the tunnels between hosts (VXLAN) in the host's netns: a datagram for their port is heard only when it comes from
// a host of the cluster, and only the kernel's own tunnels send any. A table of its own, there while there are tunnels.

import type { Request } from "../kernel/index.ts";
import {
  addElements,
  addTable,
  deleteTable,
  type Nftables,
  openNftables,
  portField,
  type Table,
  tableFlag,
  watchNftables,
} from "../kernel/nftables/index.ts";
import { type Address, addressBytes } from "../netip/index.ts";
import { errorMessage, hasCode } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import { differenceFrom, type WantedTable } from "./nftables/drift.ts";
import { tunnelLayout, tunnelSets, tunnelTable } from "./nftables/tunnel-chains.ts";

/** Who may tunnel with this host. */
export interface TunnelWish {
  /** UDP ports of the tunnels: this host's, and those that others have instead. */
  readonly ports: readonly number[];
  /** The address that this host's packets come from. */
  readonly self: Address;
  /** The hosts of the cluster, this one included. */
  readonly nodes: readonly Address[];
}

export interface TunnelGuard {
  /** Replaces what was wished before; undefined: there are no tunnels and nothing is guarded. Resolves when it is in force. */
  set(wish: TunnelWish | undefined): Promise<void>;
}

/** One that the daemon owns. */
export interface OwnedTunnelGuard extends TunnelGuard {
  /** Leaves the kernel as it is. */
  close(): Promise<void>;
  /** Takes the table away and closes. */
  stop(): Promise<void>;
}

/** What an earlier process left stays in force until `set`, which fails where the kernel has no nftables. */
export function createTunnelGuard({
  netns,
  log = silentLog,
}: {
  readonly netns?: string;
  readonly log?: Log;
} = {}): OwnedTunnelGuard {
  return new Guard(netns, log);
}

class Guard implements OwnedTunnelGuard {
  readonly #netns: string | undefined;
  readonly #log: Log;
  /** Opened when it is needed first. */
  #nftables: Nftables | undefined;
  #wish: TunnelWish | undefined;
  #isOwner = false;
  #watch: Disposable | undefined;
  #isClosed = false;
  /** The end of the work under way; changes never overlap. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(netns: string | undefined, log: Log) {
    this.#netns = netns;
    this.#log = log;
  }

  set(wish: TunnelWish | undefined): Promise<void> {
    return this.#queue(async () => {
      if (this.#isClosed) throw new Error("guard tunnels: the guard is closed");
      this.#wish = wish;
      await this.#apply();
    });
  }

  close(): Promise<void> {
    return this.#queue(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#watch?.[Symbol.dispose]();
      await this.#nftables?.close();
    });
  }

  async stop(): Promise<void> {
    try {
      if (!this.#isClosed) await this.set(undefined);
    } finally {
      await this.close();
    }
  }

  /** By what differs: the same wish again changes nothing. */
  async #apply(): Promise<void> {
    const wish = this.#wish;
    const nftables = await this.#open(wish !== undefined);
    const state = (await nftables?.tables())?.find((table) => isOurs(table));
    if (!nftables) return;
    if (!wish) {
      if (state) await nftables.commit([deleteTable(tunnelTable)]);
      return;
    }
    const wanted = wantedTable(wish);
    const owned = state ? (state.flags & tableFlag.persist) !== 0 : await this.#make(nftables, wanted);
    const sets = tunnelSets.map(({ name }) => name);
    const difference = state ? await differenceFrom(nftables, wanted, sets) : [];
    const changes =
      difference === "everything" ? [deleteTable(tunnelTable), ...contents(wanted, owned)] : difference;
    const claim = owned && !this.#isOwner && state ? [addTable(tunnelTable, { owned })] : [];
    await nftables.commit([...claim, ...changes]);
    this.#isOwner = owned;
    if (!owned) await this.#watchOthers();
  }

  /** Undefined where the kernel has none, and none is needed. */
  async #open(isNeeded: boolean): Promise<Nftables | undefined> {
    try {
      this.#nftables ??= await openNftables(this.#netns);
    } catch (error) {
      if (isNeeded || !hasCode(error, "EPROTONOSUPPORT")) throw error;
    }
    return this.#nftables;
  }

  /** Where the kernel cannot make the table ours alone, others' changes are undone. */
  async #watchOthers(): Promise<void> {
    this.#watch ??= await watchNftables(this.#netns, (event) => {
      const isOurTable = event.kind === "lost" || event.tables.some((table) => isOurs(table));
      if (isOurTable && !(event.kind === "changed" && event.byUs)) this.#repair();
    });
  }

  #repair(): void {
    const work = async () => {
      if (!this.#isClosed) await this.#apply();
    };
    this.#queue(work).catch((error) => {
      this.#log.error({ reason: errorMessage(error) }, "the guard of tunnels could not be repaired");
    });
  }

  /** Ours alone where the kernel can make it so; answers whether it can. */
  async #make(nftables: Nftables, wanted: WantedTable): Promise<boolean> {
    try {
      await nftables.commit(contents(wanted, true));
      return true;
    } catch (error) {
      if (!hasCode(error, "EOPNOTSUPP", "EINVAL")) throw error;
    }
    await nftables.commit(contents(wanted, false));
    return false;
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#work.then(work);
    this.#work = mine.catch(() => undefined);
    return mine;
  }
}

function wantedTable({ ports, self, nodes }: TunnelWish): WantedTable {
  const keys = (addresses: readonly Address[], family: 4 | 6) =>
    unique(addresses.filter((address) => address.family === family).map(addressBytes));
  return {
    table: tunnelTable,
    layout: tunnelLayout(),
    elements: new Map([
      ["ports", unique(ports.map(portField))],
      ["nodes4", keys(nodes, 4)],
      ["nodes6", keys(nodes, 6)],
      ["self4", keys([self], 4)],
      ["self6", keys([self], 6)],
    ]),
  };
}

function unique(keys: readonly Uint8Array[]): { readonly key: Uint8Array }[] {
  return [...new Map(keys.map((key) => [key.join(), { key }])).values()];
}

function contents({ layout, elements }: WantedTable, owned: boolean): Request[] {
  return [
    addTable(tunnelTable, { owned }),
    ...layout.slice(1),
    ...[...elements].flatMap(([set, each]) => addElements(tunnelTable, set, each)),
  ];
}

function isOurs({ family, name }: Table): boolean {
  return family === tunnelTable.family && name === tunnelTable.name;
}
