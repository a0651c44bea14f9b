// A machine in memory: links, rules, ports and sandboxes, as far as the kit looks at them. What a driver does to it is a
// step that can be refused or late.

import type {
  ClusterAccess,
  EndpointInterface,
  JoinResponse,
  NetworkDriver,
} from "../../../src/driverapi/index.ts";
import {
  type Remains,
  type Sandbox,
  type Stage,
  type StageLink,
  Weather,
} from "../../../src/driververify/index.ts";
import { type Address, formatAddress, type Mac, parseMac } from "../../../src/netip/index.ts";

export interface MemoryLink {
  readonly index: number;
  name: string;
  mac: Mac;
  /** `host`, or the key of a sandbox. */
  at: string;
  /** Of an endpoint's link: its network. */
  readonly network?: string;
  readonly owner: string;
  addresses: string[];
}

type Listed = "addresses" | "routes" | "rules" | "namespaces" | "records" | "forwards";

const anyMac = parseMac("02:00:00:00:00:01") as Mac;

export class Machine {
  readonly links = new Set<MemoryLink>();
  readonly listed: Record<Listed, string[]> = {
    addresses: [],
    routes: [],
    rules: [],
    namespaces: [],
    records: [],
    forwards: [],
  };
  /** Port to the endpoint that has it; `somebody` for other programs. */
  readonly ports = new Map<string, string>();
  readonly sandboxes = new Set<string>();
  /** Wires that do not carry anything any more. */
  readonly cut = new Set<string>();
  weather = new Weather();
  largest = 1500;
  #indexes = 1;

  constructor() {
    this.addLink({ name: "eth0", owner: "host" });
  }

  addLink(link: Pick<MemoryLink, "name" | "owner"> & Partial<MemoryLink>): MemoryLink {
    const added = { index: ++this.#indexes, mac: anyMac, at: "host", addresses: [], ...link };
    this.links.add(added);
    return added;
  }

  linksAt(at: string): MemoryLink[] {
    return [...this.links].filter((link) => link.at === at);
  }

  /** Networks and endpoints of which there is something. */
  owners(): ReadonlySet<string> {
    const listed = Object.values(this.listed).flat();
    const named = listed.flatMap((item) => / of (.+)$/.exec(item)?.[1] ?? []);
    return new Set([
      ...named,
      ...[...this.links].map(({ owner }) => owner).filter((owner) => owner !== "host"),
    ]);
  }

  removeOf(owner: string): void {
    for (const link of this.links) if (link.owner === owner) this.links.delete(link);
    for (const items of Object.values(this.listed))
      items.splice(0, items.length, ...items.filter((item) => !item.endsWith(` of ${owner}`)));
    for (const [port, holder] of this.ports) if (holder === owner) this.ports.delete(port);
  }
}

export type MakeDriver = (machine: Machine) => NetworkDriver;

export class MemoryStage implements Stage {
  readonly patienceMs = 0;
  readonly whyNoRestart = undefined;
  readonly whyNoKinds = undefined;
  driver: NetworkDriver;
  readonly machine = new Machine();
  /** What is shared is none of these drivers' business. */
  readonly cluster = {} as ClusterAccess;
  readonly #make: MakeDriver;
  #sandboxes = 0;

  constructor(make: MakeDriver) {
    this.#make = make;
    this.driver = make(this.machine);
  }

  get weather(): Weather {
    return this.machine.weather;
  }

  /** The steps of a driver that has ended go through the weather of its time. */
  async restart(replay: (driver: NetworkDriver) => Promise<void>): Promise<void> {
    this.machine.weather.end();
    this.machine.weather = new Weather();
    for (const [port, holder] of this.machine.ports)
      if (holder !== "somebody") this.machine.ports.delete(port);
    this.driver = this.#make(this.machine);
    await replay(this.driver);
  }

  async sandbox(): Promise<Sandbox> {
    const key = `sandbox${++this.#sandboxes}`;
    this.machine.sandboxes.add(key);
    return new MemorySandbox(key, this.machine);
  }

  async link(name: string): Promise<StageLink | undefined> {
    return this.machine.linksAt("host").find((link) => link.name === name);
  }

  async isThere(name: string, index: number): Promise<boolean> {
    return (await this.link(name))?.index === index;
  }

  async remains(): Promise<Remains> {
    const { listed, ports } = this.machine;
    return {
      ...listed,
      addresses: [...listed.addresses],
      routes: [...listed.routes],
      rules: [...listed.rules],
      namespaces: [...listed.namespaces],
      records: [...listed.records],
      forwards: [...listed.forwards],
      links: this.machine.linksAt("host").map(({ name }) => name),
      ports: [...ports].filter(([, holder]) => holder !== "somebody").map(([port]) => port),
    };
  }

  async occupyPort(port: number): Promise<AsyncDisposable> {
    const { ports } = this.machine;
    ports.set(`${port}/tcp`, "somebody");
    return { [Symbol.asyncDispose]: async () => void ports.delete(`${port}/tcp`) };
  }

  [Symbol.asyncDispose] = async () => undefined;
}

class MemorySandbox implements Sandbox {
  readonly key: string;
  readonly #machine: Machine;

  constructor(key: string, machine: Machine) {
    this.key = key;
    this.#machine = machine;
  }

  async links(): Promise<readonly StageLink[]> {
    return this.#machine.linksAt(this.key).map(({ index, name, mac }) => ({ index, name, mac }));
  }

  async attach({ link: wanted }: JoinResponse, own: EndpointInterface): Promise<void> {
    if (!wanted) return;
    const { srcName, indexInSandbox } = wanted;
    const from = this.#machine.linksAt(indexInSandbox === undefined ? "host" : this.key);
    const link = from.find(({ name, index }) =>
      indexInSandbox ? index === indexInSandbox : name === srcName,
    );
    if (!link) throw new Error(`no link ${srcName}`);
    link.at = this.key;
    link.mac = indexInSandbox === undefined ? (own.macAddress ?? link.mac) : link.mac;
    const addresses = [own.address, own.addressIpv6].filter((each) => each !== undefined);
    link.addresses = addresses.map(({ address }) => formatAddress(address));
  }

  async detach({ link: given }: JoinResponse): Promise<void> {
    if (!given) return;
    const link = this.#machine.linksAt(this.key).find(({ name }) => name === given.srcName);
    if (!link) return;
    if (given.indexInSandbox !== undefined) this.#machine.links.delete(link);
    Object.assign(link, { at: "host", addresses: [] });
  }

  /** Two links of one network, on a wire that is whole. */
  async reaches(address: Address, { size = 84 }: { readonly size?: number } = {}): Promise<boolean> {
    const { links, cut, largest } = this.#machine;
    const own = this.#machine.linksAt(this.key).find(({ network }) => network !== undefined);
    const other = [...links].find(
      (link) => link.at !== "host" && link.addresses.includes(formatAddress(address)),
    );
    if (!own || !other || own.network !== other.network || size > largest) return false;
    const bridge = [...links].some((link) => link.at === "host" && link.owner === own.network);
    return bridge && !cut.has(own.owner) && !cut.has(other.owner) && !cut.has(`IPv${address.family}`);
  }

  async remove(): Promise<void> {
    this.#machine.sandboxes.delete(this.key);
    for (const link of this.#machine.linksAt(this.key)) this.#machine.links.delete(link);
  }
}
