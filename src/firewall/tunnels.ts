// Guards the tunnels between hosts (VXLAN) in the host's netns: a datagram for their port is heard only when it comes from
// a host of the cluster, and only the kernel's own tunnels send any. Tables of its own, there while there are tunnels.

import { type Nftables, openNftables, watchNftables } from "../kernel/nftables/index.ts";
import { sameAddress } from "../netip/index.ts";
import { errorMessage, hasCode } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import { egressTable } from "./nftables/egress-chains.ts";
import { KeptTable } from "./nftables/kept-table.ts";
import { canFilterEgress, canSeal } from "./nftables/probe.ts";
import { tunnelTable } from "./nftables/tunnel-chains.ts";
import { noLinks, type TunnelLinks, TunnelLinkWatch } from "./tunnel-links.ts";
import { TunnelSeals } from "./tunnel-seals.ts";
import { digest, egressFor, sealedVnis, type TunnelWish, tunnelsFor } from "./tunnel-tables.ts";

export type { TunnelWish } from "./tunnel-tables.ts";

export interface TunnelGuard {
  /** Replaces what was wished before; undefined: there are no tunnels and nothing is guarded. Resolves when it is in force. */
  set(wish: TunnelWish | undefined): Promise<void>;
  /** What the kernel lacks for all that is guarded, in its configuration's words; known when a wish was set. */
  readonly lack?: string | undefined;
  /** What the kernel lacks to keep encrypted networks out of the clear, beside the ciphers; undefined: nothing. */
  lackOfSeals?(): Promise<string | undefined>;
}

/** One that the daemon owns. */
export interface OwnedTunnelGuard extends TunnelGuard {
  /** Leaves the kernel as it is. */
  close(): Promise<void>;
  /** Takes the table away and closes. */
  stop(): Promise<void>;
}

/** What filters frames of packet sockets. */
const sealMatches = "nftables' matches of IPsec (CONFIG_NFT_XFRM)";
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
  readonly #tunnels = new KeptTable(tunnelTable);
  readonly #egress = new KeptTable(egressTable);
  readonly #seals: TunnelSeals;
  /** Opened when it is needed first. */
  #nftables: Nftables | undefined;
  #wish: TunnelWish | undefined;
  /** What is surely in the kernel, in tables that nobody else can change. Whatever may differ by now undoes it. */
  #inForce: string | undefined;
  #canFilterEgress: boolean | undefined;
  #watch: Disposable | undefined;
  #isClosed = false;
  /** The end of the work under way; changes never overlap. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(netns: string | undefined, log: Log) {
    this.#netns = netns;
    this.#log = log;
    this.#links = new TunnelLinkWatch({ netns, log, onDoubt: () => this.#repair() });
    this.#seals = new TunnelSeals(netns, () => this.#repair());
  }

  get lack(): string | undefined {
    return this.#canFilterEgress === false ? egressHook : undefined;
  }

  set(wish: TunnelWish | undefined): Promise<void> {
    return this.#queue(async () => {
      if (this.#isClosed) throw new Error("guard tunnels: the guard is closed");
      this.#wish = wish;
      // each network that comes says it again; doubts of links and seals come by `#repair`
      if (!wish || this.#inForce !== digest(wish)) await this.#apply();
    });
  }

  close(): Promise<void> {
    return this.#queue(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#watch?.[Symbol.dispose]();
      await this.#links.close();
      await this.#seals.close();
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

  lackOfSeals(): Promise<string | undefined> {
    return this.#queue(async () => {
      const nftables = await this.#open(true);
      return nftables && (await canSeal(nftables)) ? undefined : sealMatches;
    });
  }

  async #apply(): Promise<void> {
    const wish = this.#wish;
    this.#inForce = undefined;
    const nftables = await this.#open(wish !== undefined);
    if (!nftables) return;
    if (!wish) {
      await this.#seals.keep(undefined);
      await this.#egress.remove(nftables);
      await this.#tunnels.remove(nftables);
      return;
    }
    const others = wish.nodes.filter((node) => !sameAddress(node, wish.self));
    const links = await this.#links.look(others);
    const sealed = await sealedVnis(nftables, wish.encryption);
    const isOwned = await this.#tunnels.keep(nftables, tunnelsFor(wish, { links, sealed }));
    await this.#guardLinks(nftables, wish, links);
    // what there is no seal for is dropped by now
    await this.#seals.keep(wish);
    if (!isOwned) await this.#watchOthers();
    else if (links !== noLinks) this.#inForce = digest(wish);
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
