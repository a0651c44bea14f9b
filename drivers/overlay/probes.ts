// Tries the paths to all other hosts of the cluster, now and then and when one appears, whether or not there are networks
// yet: who opens a port too few is to know before the first container.

import type { ClusterAccess, ClusterNode, Host, PeerPath } from "../../src/driverapi/index.ts";
import { formatAddress } from "../../src/netip/index.ts";
import { errorMessage } from "../../src/util/errors.ts";
import { hasPath, pathState } from "./path-state.ts";
import { examinePath, type Finding } from "./probe-path.ts";
import { ProbeTunnel } from "./probe-tunnel.ts";

export interface ProbeIntervals {
  /** How often each path is tried. */
  readonly everyMs: number;
  /** How long a packet may take. */
  readonly patienceMs: number;
  /** The least between two paths: many hosts are tried less often. */
  readonly apartMs: number;
  /** How often the kernel is compared with what is wanted. */
  readonly sweepMs: number;
}

/** 200 hosts are tried every 10 s: 40 packets a second here, and as many answered. */
export const probeIntervals: ProbeIntervals = {
  everyMs: 5_000,
  patienceMs: 1_000,
  apartMs: 50,
  sweepMs: 30_000,
};

export interface ProbesOptions {
  readonly host: Host;
  readonly cluster: ClusterAccess;
  readonly intervals: ProbeIntervals;
  /** Bytes of the IP packets that networks send, as the underlay is thought to be. */
  readonly full: () => number;
  /** A path is another one than before. */
  readonly changed: () => void;
}

interface Path {
  /** Since then it is known, or its host was not there. */
  since: number;
  /** How often in a row nothing came back. */
  silences: number;
  found: Finding;
  view: PeerPath | undefined;
  running: Promise<void> | undefined;
}

/** A host that joins is on record before it answers. */
const graceMs = 6_000;
/** How long somebody who asks is kept waiting for paths that do not answer. */
const askMs = 700;

/** Owns the tunnel. */
export class Probes {
  readonly #options: ProbesOptions;
  readonly #tunnel: ProbeTunnel;
  readonly #paths = new Map<string, Path>();
  readonly #stops: (() => void)[] = [];
  #queue: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** The end of the work under way in the kernel. */
  #work: Promise<unknown> = Promise.resolve();

  private constructor(options: ProbesOptions, tunnel: ProbeTunnel) {
    this.#options = options;
    this.#tunnel = tunnel;
  }

  /** @throws what the kernel says of the tunnel, or conflict */
  static async open(options: ProbesOptions): Promise<Probes> {
    const { host, cluster, intervals } = options;
    const probes = new Probes(options, await ProbeTunnel.open(host, cluster.self));
    const sweep = setInterval(() => probes.#follow(), intervals.sweepMs).unref();
    probes.#stops.push(
      cluster.nodes.follow(() => probes.#follow()),
      cluster.followLife(() => probes.#tryTroubled()),
      () => clearInterval(sweep),
    );
    probes.#follow();
    await probes.#work;
    return probes;
  }

  /** Of hosts that were tried. */
  views(): readonly PeerPath[] {
    return [...this.#paths.values()].flatMap(({ view }) => view ?? []);
  }

  /** Tries all paths now; resolves when they are tried, or after a moment. */
  async tryAll(): Promise<void> {
    const tried = Promise.all([...this.#paths.keys()].map((id) => this.#try(id)));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, askMs);
    });
    await Promise.race([tried, late]);
    clearTimeout(timer);
  }

  /** Lets go. `clears`: nothing of it stays, and nobody is answered any more. */
  async close({ clears }: { readonly clears: boolean }): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
    await this.#work;
    await (clears ? this.#tunnel.remove() : this.#tunnel.close());
    await Promise.all([...this.#paths.values()].map(({ running }) => running));
  }

  #others(): ClusterNode[] {
    const { nodes, self } = this.#options.cluster;
    return [...nodes.entries()].map(({ value }) => value).filter(({ id }) => id !== self.id);
  }

  /** Hosts came or went, or may have moved; a newcomer is tried at once. */
  #follow(): void {
    if (this.#isClosed) return;
    const { host, cluster, changed } = this.#options;
    const nodes = this.#others();
    const ids = new Set(nodes.map(({ id }) => id));
    const gone = [...this.#paths.keys()].filter((id) => !ids.has(id));
    const isNew = nodes.filter(({ id }) => !this.#paths.has(id));
    for (const id of gone) this.#paths.delete(id);
    const since = performance.now();
    for (const { id } of isNew)
      this.#paths.set(id, { since, silences: 0, found: {}, view: undefined, running: undefined });
    this.#work = this.#work
      .then(() => this.#tunnel.setPeers(nodes.filter((peer) => hasPath({ self: cluster.self, peer }))))
      .then(
        () => {
          for (const { id } of isNew) void this.#try(id);
        },
        (error) => host.log.warn({ reason: errorMessage(error) }, "cannot try paths to other hosts"),
      );
    if (gone.length > 0) changed();
    this.#tick();
  }

  /** A host has come back, say: its path may be all right again. */
  #tryTroubled(): void {
    for (const [id, { view }] of this.#paths) if (view && view.state !== "ok") void this.#try(id);
  }

  /** One after the other, so that there is never much at once. */
  #tick(): void {
    const { everyMs, apartMs } = this.#options.intervals;
    if (this.#isClosed || this.#timer || this.#paths.size === 0) return;
    const pauseMs = Math.max(apartMs, everyMs / this.#paths.size);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#queue.length === 0) this.#queue = [...this.#paths.keys()];
      const id = this.#queue.shift();
      if (id !== undefined) void this.#try(id);
      this.#tick();
    }, pauseMs).unref();
  }

  #try(id: string): Promise<void> {
    const path = this.#paths.get(id);
    const peer = this.#options.cluster.nodes.get(id)?.value;
    if (!path || !peer || this.#isClosed) return Promise.resolve();
    path.running ??= this.#examine(path, peer).finally(() => {
      path.running = undefined;
      const isWaitedFor =
        !path.view ||
        path.silences === 1 ||
        (path.view.state === "away" && this.#options.cluster.isAlive(id));
      if (isWaitedFor && this.#paths.get(id) === path) void this.#try(id);
    });
    return path.running;
  }

  async #examine(path: Path, peer: ClusterNode): Promise<void> {
    const { cluster, full } = this.#options;
    const asked = full();
    path.found = await this.#find(path, peer, asked);
    // what nobody waited for any more says nothing
    if (this.#isClosed || this.#paths.get(peer.id) !== path) return;
    const isSilent = path.found.roundTripMs === undefined && hasPath({ self: cluster.self, peer });
    path.silences = isSilent ? path.silences + 1 : 0;
    if (isSilent && !cluster.isAlive(peer.id)) path.since = performance.now();
    else if (isSilent && this.#mayStillCome(path)) return;
    const before = path.view;
    path.view = this.#viewOf(path, peer, Math.min(asked, full()));
    if (before?.state !== path.view.state || before.mtu !== path.view.mtu)
      this.#tell(peer, before, path.view);
  }

  /** Its host has only just appeared, or come back; or it goes, and its lease is about to end. */
  #mayStillCome({ view, since, silences }: Path): boolean {
    if (view?.state === "ok" || view?.state === "narrow") return silences < 2;
    return (!view || view.state === "away") && performance.now() - since <= graceMs;
  }

  async #find({ found: before }: Path, peer: ClusterNode, full: number): Promise<Finding> {
    const { host, cluster, intervals } = this.#options;
    const { self } = cluster;
    if (!hasPath({ self, peer })) return {};
    const ask = (size: number, patienceMs: number) => this.#tunnel.ask(peer, size, patienceMs);
    const least = host.link.leastEchoSize[self.address.family];
    return await examinePath(ask, { least, full, before, patienceMs: intervals.patienceMs });
  }

  /** `full`: what networks send by now, if that is less than what was tried. */
  #viewOf({ found, view }: Path, peer: ClusterNode, full: number): PeerPath {
    const { host, cluster } = this.#options;
    const { self } = cluster;
    const overhead = host.link.vxlanOverhead(self.address.family);
    const mtu = found.mtu === undefined ? undefined : Math.min(found.mtu, full);
    const took = found.roundTripMs;
    const known = {
      ...(took !== undefined && { roundTripMs: Math.round(took * 1_000) / 1_000 }),
      ...(mtu !== undefined && { mtu }),
    };
    const wasDown = view?.state === "down";
    const ends = { self, peer, isAlive: cluster.isAlive(peer.id), wasDown, full, overhead };
    return { nodeId: peer.id, ...known, ...pathState(known, ends), checkedAt: new Date() };
  }

  #tell(peer: ClusterNode, before: PeerPath | undefined, after: PeerPath): void {
    const { host, changed } = this.#options;
    const fields = { host: peer.name, address: formatAddress(peer.address), mtu: after.mtu };
    if (after.trouble !== undefined) host.log.warn(fields, `the path to another host: ${after.trouble}`);
    else if (before?.state === "down" || before?.state === "narrow")
      host.log.info(fields, "the path to another host is all right");
    changed();
  }
}
