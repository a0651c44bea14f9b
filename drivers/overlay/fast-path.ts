// A short cut past the bridge and its guards, for frames that these would let pass: eBPF programs on what comes in by ports
// and tunnels (fast-path-programs.ts), and what they know. It never drops anything: what it does not know, or is not
// there for at all, takes the bridge.

import { release } from "node:os";
import type { DriverNetns, Host, Request } from "../../src/driverapi/index.ts";
import { type Address, addressWidth, type Mac } from "../../src/netip/index.ts";
import { errorMessage, hasCode } from "../../src/util/errors.ts";
import { EarlyPrograms, programMark } from "./early-programs.ts";
import {
  arriving,
  departing,
  portKey,
  portsLayout,
  portValue,
  wayKey,
  waysLayout,
  wayValue,
} from "./fast-path-programs.ts";
import type { FabricLinks } from "./kernel-rows.ts";
import { type OverlayConfig, segmentPools } from "./options.ts";
import type { Row } from "./rows.ts";

type Bpf = Host["link"]["bpf"];
type BpfMap = ReturnType<Bpf["BpfMap"]["create"]>;
type BpfProgram = ReturnType<Bpf["BpfProgram"]["load"]>;

/** As many as a bridge of Linux can have (BR_PORT_BITS). */
const mostPorts = 1024;
const fewestWays = 64;
const mostWays = 16_384;

/** What a filter that is not there answers, or a kernel that has none. */
const gone = ["ENOENT", "EINVAL", "ENODEV", "EOPNOTSUPP"];

/** What a kernel without eBPF, or without filters for it, answers, and one that forbids them to us. */
const lacks = ["ENOSYS", "EPERM", "EACCES", "EINVAL", "ENOENT", "EOPNOTSUPP"];

interface Loaded {
  readonly ports: BpfMap;
  readonly ways: BpfMap;
  readonly departing: BpfProgram;
  readonly arriving: BpfProgram;
}

/** Makes those of networks. What the kernel lacks, or forbids us, is found out once. */
export class FastPaths {
  readonly host: Pick<Host, "link" | "log">;
  #lack: string | undefined;

  constructor(host: Pick<Host, "link" | "log">) {
    this.host = host;
  }

  /** One that does nothing where there can, or shall, be none. */
  make(netns: DriverNetns, config: OverlayConfig): FastPath {
    if (!config.fastPath) return new FastPath(this, netns, "turned off");
    if (this.#lack !== undefined) return new FastPath(this, netns, this.#lack);
    try {
      return new FastPath(this, netns, load(this.host.link.bpf, config));
    } catch (error) {
      return new FastPath(this, netns, this.without(error));
    }
  }

  /** Answers why a network has none. Where it is the kernel no other one has, which is told once. */
  without(error: unknown): string {
    const reason = errorMessage(error);
    if (this.#lack !== undefined) return this.#lack;
    if (hasCode(error, ...lacks)) {
      this.#lack = reason;
      this.host.log.info({ reason }, "overlays have no short cut: all packets take the bridge");
    } else this.host.log.warn({ reason }, "an overlay has no short cut: its packets take the bridge");
    return reason;
  }
}

/** A network's: owns the descriptors, not the filters, which work on for as long as their links are there. */
export class FastPath {
  readonly #owner: FastPaths;
  readonly #netns: DriverNetns;
  readonly #early: EarlyPrograms;
  #loaded: Loaded | undefined;
  #lack: string | undefined;
  /** What the map of ways holds. */
  readonly #ways = new Map<Mac, number>();
  #tunnels: ReadonlySet<number> = new Set();
  #isFull = false;

  /** `what`: why there is none. */
  constructor(owner: FastPaths, netns: DriverNetns, what: Loaded | string) {
    this.#owner = owner;
    this.#netns = netns;
    this.#early = new EarlyPrograms(owner.host, netns);
    if (typeof what === "string") this.#lack = what;
    else this.#loaded = what;
  }

  /** Why there is none; undefined: there is one. */
  get lack(): string | undefined {
    return this.#lack;
  }

  /** On how many links an earlier process's one could not be taken off yet. */
  get staleCount(): number {
    return this.#early.staleCount;
  }

  /** Where the network begins: what is there gets its filters, or loses those of an earlier process. */
  async begin({ tunnels }: FabricLinks): Promise<void> {
    this.#tunnels = new Set(tunnels.values());
    const old = this.#netns.isOld ? await this.#netns.netlink.links({ kind: "veth" }) : [];
    const links = [...this.#tunnels, ...old.map(({ index }) => index)];
    try {
      await this.#attach(links);
    } catch (error) {
      await this.close();
      this.#lack = this.#owner.without(error);
    }
    if (!this.#netns.isOld) return;
    if (!this.#loaded) await this.#detach(links);
    for (const link of links)
      await this.#early.replace(link, this.#loaded && this.#programOf(link, this.#loaded));
  }

  /** Go with what makes a port. */
  portRequests(link: number): readonly Request[] {
    return this.#loaded ? this.#requests(link, this.#loaded) : [];
  }

  /** What may come from a port. Until it is said all of it takes the bridge. */
  admit(link: number, own: { readonly mac: Mac; readonly addresses: readonly Address[] }): void {
    if (!this.#loaded) return;
    this.#loaded.ports.set(portKey(link), portValue(own));
    this.#early.later(link, this.#loaded.departing);
  }

  /** Nothing that comes from a port takes the short cut any more. */
  dismiss(link: number): void {
    this.#loaded?.ports.delete(portKey(link));
    this.#early.forget(link);
  }

  /** Before the kernel loses these rows. */
  drop(rows: Iterable<Row>): void {
    for (const row of rows)
      if (row.kind === "port" && this.#ways.get(row.mac) === row.link) this.#forget(row.mac);
  }

  /** When the kernel has these rows. */
  put(rows: Iterable<Row>): void {
    for (const row of rows)
      if (row.kind === "port" && this.#ways.get(row.mac) !== row.link) this.#lead(row.mac, row.link);
  }

  /** Drops all but these. */
  keep(rows: Iterable<Row>): void {
    const wanted = new Map<Mac, number>();
    for (const row of rows) if (row.kind === "port") wanted.set(row.mac, row.link);
    for (const [mac, link] of [...this.#ways]) if (wanted.get(mac) !== link) this.#forget(mac);
  }

  /** Puts filters back that somebody took away, and takes off what an earlier process left; answers how many. */
  async repair(links: FabricLinks, ports: Iterable<number>): Promise<number> {
    const filters = this.#loaded ? await this.#repairFilters(links, ports, this.#loaded) : 0;
    return filters + (await this.#early.replaceStale());
  }

  async #repairFilters({ tunnels }: FabricLinks, ports: Iterable<number>, loaded: Loaded): Promise<number> {
    this.#tunnels = new Set(tunnels.values());
    const wanted = (link: number) => this.#programOf(link, loaded).id;
    const links = [...this.#tunnels, ...ports];
    const filters = await this.#netns.netlink.filters(links);
    const programs = new Map(filters.map(({ link, program }) => [link, program]));
    const bare = links.filter((link) => programs.get(link) !== wanted(link));
    if (bare.length === 0) return 0;
    // a link that is gone lacks none
    const there = new Set((await this.#netns.netlink.links()).map(({ index }) => index));
    const repaired = bare.filter((link) => there.has(link));
    await this.#attach(repaired);
    return repaired.length;
  }

  /** Lets go; the programs that are there work on with what they know. Idempotent. */
  async close(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await this.#early.close();
    for (const owned of Object.values(loaded ?? {})) owned[Symbol.dispose]();
  }

  #programOf(link: number, { departing, arriving }: Loaded): BpfProgram {
    return this.#tunnels.has(link) ? arriving : departing;
  }

  #requests(link: number, loaded: Loaded): readonly Request[] {
    const { addClsact, setFilter } = this.#owner.host.link.bpf;
    return [addClsact(link), setFilter(link, this.#programOf(link, loaded))];
  }

  /** A link that goes meanwhile needs none. */
  async #attach(links: readonly number[]): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded || links.length === 0) return;
    const requests = links.flatMap((link) => this.#requests(link, loaded));
    await this.#owner.host.link.unless(["ENODEV"], this.#netns.netlink.send(...requests));
    for (const link of links) this.#early.later(link, this.#programOf(link, loaded));
  }

  /** What an earlier process left knows what was true then. */
  async #detach(links: readonly number[]): Promise<void> {
    const { unless, bpf } = this.#owner.host.link;
    for (const link of links) await unless(gone, this.#netns.netlink.send(bpf.deleteFilter(link)));
  }

  #lead(mac: Mac, link: number): void {
    if (!this.#loaded) return;
    try {
      this.#loaded.ways.set(wayKey(mac), wayValue({ link, isTunnel: this.#tunnels.has(link) }));
      this.#ways.set(mac, link);
    } catch (error) {
      if (!hasCode(error, "E2BIG")) throw error;
      // it is not in there, and so takes the bridge
      this.#ways.delete(mac);
      if (!this.#isFull)
        this.#owner.host.log.info({ most: mostWays }, "an overlay's short cut knows no more containers");
      this.#isFull = true;
    }
  }

  #forget(mac: Mac): void {
    this.#loaded?.ways.delete(wayKey(mac));
    this.#ways.delete(mac);
  }
}

function load(bpf: Bpf, config: OverlayConfig): Loaded {
  using undo = new DisposableStack();
  const ports = undo.use(bpf.BpfMap.create({ name: "ports", ...portsLayout, maxEntries: mostPorts }));
  const ways = undo.use(bpf.BpfMap.create({ name: "ways", ...waysLayout, maxEntries: mostMacs(config) }));
  const maps = { ports: ports.fd, ways: ways.fd };
  const options = { entersPeer: countsPeers(release()) };
  const program = (name: string, instructions: Buffer) =>
    undo.use(bpf.BpfProgram.load({ name: `${programMark}${name}`, instructions }));
  const loaded = {
    ports,
    ways,
    departing: program("tx", departing(bpf, maps, options)),
    arriving: program("rx", arriving(bpf, maps, options)),
  };
  undo.move();
  return loaded;
}

/** How many containers there can be, as far as there is room. */
function mostMacs(config: OverlayConfig): number {
  const counts = segmentPools(config).map(
    ({ pool: { address, length } }) => 2 ** Math.min(addressWidth(address.family) - length, 30),
  );
  const all = counts.reduce((sum, count) => sum + count, 0);
  return Math.min(Math.max(all, fewestWays), mostWays);
}

/** Whether the kernel counts, for a container's link, what goes straight in by it: since Linux 6.7 (024ee930cb3c). */
export function countsPeers(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split(".").map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 7);
}
