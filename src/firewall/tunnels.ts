// Guards the tunnels between hosts (VXLAN) in the host's netns: a datagram for their port is heard only when it comes from
// a host of the cluster, and only the kernel's own tunnels send any. Tables of its own, there while there are tunnels.

import {
  linkField,
  type Nftables,
  openNftables,
  portField,
  watchNftables,
} from "../kernel/nftables/index.ts";
import { type Address, addressBytes, sameAddress } from "../netip/index.ts";
import { errorMessage, hasCode } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import type { WantedTable } from "./nftables/drift.ts";
import { egressLayout, egressSets, egressTable, extensions, hiding } from "./nftables/egress-chains.ts";
import { KeptTable } from "./nftables/kept-table.ts";
import { canFilterEgress } from "./nftables/probe.ts";
import { tunnelLayout, tunnelSets, tunnelTable } from "./nftables/tunnel-chains.ts";
import { type TunnelLinks, TunnelLinkWatch } from "./tunnel-links.ts";

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
  /** What the kernel lacks for all that is guarded, in its configuration's words; known when a wish was set. */
  readonly lack?: string | undefined;
}

/** One that the daemon owns. */
export interface OwnedTunnelGuard extends TunnelGuard {
  /** Leaves the kernel as it is. */
  close(): Promise<void>;
  /** Takes the table away and closes. */
  stop(): Promise<void>;
}

/** What filters frames of packet sockets. */
const egressHook = "netfilter's egress hook (CONFIG_NETFILTER_EGRESS, Linux 5.16)";

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
  readonly #links: TunnelLinkWatch;
  readonly #tunnels = new KeptTable(
    tunnelTable,
    tunnelSets.map(({ name }) => name),
  );
  readonly #egress = new KeptTable(egressTable, egressSets);
  /** Opened when it is needed first. */
  #nftables: Nftables | undefined;
  #wish: TunnelWish | undefined;
  #canFilterEgress: boolean | undefined;
  #watch: Disposable | undefined;
  #isClosed = false;
  /** The end of the work under way; changes never overlap. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(netns: string | undefined, log: Log) {
    this.#netns = netns;
    this.#log = log;
    this.#links = new TunnelLinkWatch({ netns, log, onDoubt: () => this.#repair() });
  }

  get lack(): string | undefined {
    return this.#canFilterEgress === false ? egressHook : undefined;
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
      await this.#links.close();
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

  async #apply(): Promise<void> {
    const wish = this.#wish;
    const nftables = await this.#open(wish !== undefined);
    if (!nftables) return;
    if (!wish) {
      await this.#egress.remove(nftables);
      await this.#tunnels.remove(nftables);
      return;
    }
    const others = wish.nodes.filter((node) => !sameAddress(node, wish.self));
    const links = await this.#links.look(others);
    const isOwned = await this.#tunnels.keep(nftables, tunnelsFor(wish, links));
    await this.#guardLinks(nftables, wish, links);
    if (!isOwned) await this.#watchOthers();
  }

  /** Without a link that leads anywhere there is nothing to guard. */
  async #guardLinks(nftables: Nftables, wish: TunnelWish, { devices }: TunnelLinks): Promise<void> {
    if (!(await this.#probe(nftables))) return;
    if (devices.length === 0) return await this.#egress.remove(nftables);
    try {
      await this.#egress.keep(nftables, egressFor(wish, devices));
    } catch (error) {
      // a link that went meanwhile is heard of, and looked for again
      if (!hasCode(error, "ENOENT", "ENODEV")) throw error;
      this.#log.debug({ devices, reason: errorMessage(error) }, "links of tunnels changed under way");
    }
  }

  /** Asked once: what the kernel lacks it will lack until the next start. */
  async #probe(nftables: Nftables): Promise<boolean> {
    if (this.#canFilterEgress === undefined) {
      this.#canFilterEgress = await canFilterEgress(nftables);
      if (!this.#canFilterEgress)
        this.#log.warn(
          { lack: egressHook },
          "processes with CAP_NET_RAW in the host's netns can forge frames of overlay networks: this kernel cannot filter what they send",
        );
    }
    return this.#canFilterEgress;
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

  /** Where the kernel cannot make the tables ours alone, others' changes are undone. */
  async #watchOthers(): Promise<void> {
    this.#watch ??= await watchNftables(this.#netns, (event) => {
      const isOurs =
        event.kind === "lost" ||
        event.tables.some((table) => this.#tunnels.is(table) || this.#egress.is(table));
      if (isOurs && !(event.kind === "changed" && event.byUs)) this.#repair();
    });
  }

  #repair(): void {
    const work = async () => {
      if (!this.#isClosed && this.#wish) await this.#apply();
    };
    this.#queue(work).catch((error) => {
      this.#log.error({ reason: errorMessage(error) }, "the guard of tunnels could not be repaired");
    });
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#work.then(work);
    this.#work = mine.catch(() => undefined);
    return mine;
  }
}

function tunnelsFor({ ports, self, nodes }: TunnelWish, { uplinks }: TunnelLinks): WantedTable {
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
      ["links", unique(uplinks.map(linkField))],
    ]),
  };
}

function egressFor({ ports }: TunnelWish, devices: readonly string[]): WantedTable {
  const protocols = (numbers: readonly number[]) => unique(numbers.map((number) => Uint8Array.of(number)));
  return {
    table: egressTable,
    layout: egressLayout(devices),
    elements: new Map([
      ["ports", unique(ports.map(portField))],
      ["extensions", protocols(extensions)],
      ["hiding", protocols(hiding)],
    ]),
  };
}

function unique(keys: readonly Uint8Array[]): { readonly key: Uint8Array }[] {
  return [...new Map(keys.map((key) => [key.join(), { key }])).values()];
}
