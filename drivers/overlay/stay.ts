// This driver's stay in a cluster, whether or not it has networks there: paths to other hosts are tried, and the MTU of
// this host's underlay is told to the others.

import type { ClusterAccess, ClusterStay, Host, HostLack, PeerPath } from "../../src/driverapi/index.ts";
import { errorMessage } from "../../src/util/errors.ts";
import type { Membership } from "./membership.ts";
import { underlayMtu } from "./mtu.ts";
import type { Peers } from "./peers.ts";
import { type ProbeIntervals, Probes } from "./probes.ts";

export interface StayOptions {
  readonly host: Host;
  readonly cluster: ClusterAccess;
  readonly membership: Membership;
  /** The guard of tunnels. */
  readonly peers: Peers;
  readonly intervals: ProbeIntervals;
  /** How long networks stay after their last container; 0: no longer. */
  readonly setRest: (restMs: number) => Promise<void>;
  readonly restMs: number;
}

/** Holds the guard of tunnels, beside those of networks. */
const holder = "probe";
type Listener = Parameters<ClusterStay["follow"]>[0];

/** Owns the probes. */
export class OverlayStay implements ClusterStay {
  readonly #options: StayOptions;
  readonly #listeners = new Set<Listener>();
  readonly #stops: (() => void)[] = [];
  hasEnded = false;
  #probes: Probes | undefined;
  #mtu: number | undefined;
  #least: number | undefined;
  #lacks = "[]";

  private constructor(options: StayOptions) {
    this.#options = options;
  }

  /** Where paths cannot be tried that is said, and all else works. */
  static async begin(options: StayOptions): Promise<OverlayStay> {
    const stay = new OverlayStay(options);
    const { cluster, membership, intervals } = options;
    await options.setRest(options.restMs);
    stay.#stops.push(membership.share(cluster).underlays.follow(() => stay.#compare()));
    await stay.#readMtu();
    const sweep = setInterval(() => void stay.look(), intervals.sweepMs).unref();
    stay.#stops.push(() => clearInterval(sweep));
    await stay.#probe();
    // only now the guard knows what it lacks
    await stay.look();
    return stay;
  }

  paths(): readonly PeerPath[] {
    return this.#probes?.views() ?? [];
  }

  async tryPaths(): Promise<void> {
    await this.#probes?.tryAll();
  }

  lacks(): readonly HostLack[] {
    const { cluster, membership } = this.#options;
    return membership.share(cluster).underlays.lacks();
  }

  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async end({ leaves, clears = leaves }: Parameters<ClusterStay["end"]>[0]): Promise<void> {
    this.hasEnded = true;
    for (const stop of this.#stops.splice(0)) stop();
    this.#listeners.clear();
    await this.#probes?.close({ clears });
    this.#probes = undefined;
    const { peers, setRest } = this.#options;
    await setRest(0);
    if (clears) await peers.release(holder);
    else peers.rest();
  }

  /** Reads what the link that has this host's address carries now, and what the guard of tunnels lacks. */
  async look(): Promise<void> {
    const { host, cluster, membership } = this.#options;
    const mtu = await this.#readMtu();
    if (mtu === undefined) return;
    const { lack } = host.tunnels;
    membership.share(cluster).underlays.set({ mtu, ...(lack !== undefined && { lack }) });
    this.#compare();
  }

  /** Undefined: no link has the address now. */
  async #readMtu(): Promise<number | undefined> {
    const { host, cluster } = this.#options;
    try {
      this.#mtu = await underlayMtu(host, cluster.self.address);
      return this.#mtu;
    } catch (error) {
      host.log.debug({ reason: errorMessage(error) }, "cannot tell what the underlay carries");
      return undefined;
    }
  }

  async #probe(): Promise<void> {
    const { host, cluster, membership, peers, intervals } = this.#options;
    const { underlays } = membership.share(cluster);
    const overhead = host.link.vxlanOverhead(cluster.self.address.family);
    try {
      await peers.hold(holder, cluster);
      this.#probes = await Probes.open({
        host,
        cluster,
        intervals,
        full: () => underlays.least(this.#mtu ?? ethernetMtu) - overhead,
        changed: () => this.#tell("paths"),
      });
    } catch (error) {
      host.log.warn({ reason: errorMessage(error) }, "paths to other hosts are not tried");
      await peers.release(holder);
    }
  }

  #compare(): void {
    const { cluster, membership } = this.#options;
    const { underlays } = membership.share(cluster);
    const lacks = JSON.stringify(underlays.lacks());
    if (lacks !== this.#lacks) this.#tell("lacks");
    this.#lacks = lacks;
    if (this.#mtu === undefined) return;
    const least = underlays.least(this.#mtu);
    if (least === this.#least) return;
    this.#least = least;
    this.#tell("mtu");
  }

  #tell(change: Parameters<Listener>[0]): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}

const ethernetMtu = 1500;
