// The hands of a driver without a machine: a netlink that answers from memory and writes `ip …` lines, and notebooks for
// the rest.

import type { Forward, Host, HostSettings, PortLease, Rule } from "../../../src/driverapi/index.ts";
import type { Link, LinkAddress, Netlink, Request } from "../../../src/kernel/index.ts";
import * as kernel from "../../../src/kernel/index.ts";
import { formatAddress, type PortRange, portRangeSize, portsWithout } from "../../../src/netip/index.ts";
import { createParents } from "../../../src/parents/index.ts";
import { conflict } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { FakeStore, Steps } from "../cnm/fakes.ts";

export interface FakeHost extends Host {
  readonly steps: Steps;
  readonly netlink: MemoryNetlink;
  readonly rules: Map<string, readonly Rule[]>;
  readonly forwards: Map<string, readonly Forward[]>;
  /** `tcp 0.0.0.0:80` of every lease that is held. */
  readonly held: Set<string>;
  readonly sysctls: Map<string, string>;
}

export function createFakeHost(settings: Partial<HostSettings> = {}): FakeHost {
  const steps = new Steps();
  const rules = new Map<string, readonly Rule[]>();
  const forwards = new Map<string, readonly Forward[]>();
  const held = new Set<string>();
  const sysctls = new Map<string, string>();
  const netlink = new MemoryNetlink(steps);
  return {
    steps,
    rules,
    forwards,
    held,
    sysctls,
    netlink,
    link: kernel,
    sysctl: {
      read: async (key) => sysctls.get(key) ?? (key.startsWith("net.bridge") ? undefined : "0"),
      write: async (key, value) => {
        steps.take(`sysctl ${key}=${value}`);
        sysctls.set(key, value);
      },
      writeAll: async (values) => {
        for (const [key, value] of Object.entries(values)) {
          steps.take(`sysctl ${key}=${value}`);
          sysctls.set(key, value);
        }
      },
    },
    firewall: {
      backend: "nftables",
      async set(owner, wanted) {
        if (wanted.length === 0) return void rules.delete(owner);
        steps.take(`firewall ${wanted.map(({ kind }) => kind).join(" ")}`);
        rules.set(owner, wanted);
      },
      describe: (owner) => (rules.get(owner) ?? []).map(({ kind }) => kind),
    },
    ports: { reserve: async (requests) => requests.map((request, at) => reserve(steps, held, request, at)) },
    forwarder: {
      async setForwards(owner, wanted, kept) {
        if (wanted.length + kept.length === 0) return void forwards.delete(owner);
        steps.take(`forward ${wanted.length}`);
        forwards.set(owner, wanted);
      },
    },
    parents: createParents({
      netlink,
      sysctl: { writeAll: async () => undefined },
      hostHasIpv6: settings.ipv6 ?? true,
      log: silentLog,
    }),
    netns: noNamespaces,
    tunnels: { set: async () => undefined },
    programs: { run: (path) => Promise.reject(new Error(`run ${path}: there are no programs here`)) },
    records: new FakeStore(steps).collection("driver"),
    settings: {
      userlandProxy: false,
      ipv6: true,
      uplinkMtu: 1500,
      ipForward: true,
      ipForwardNoDrop: true,
      ...settings,
    },
    log: silentLog,
  };
}

/** For drivers that have none of their own. */
const noNamespaces: Host["netns"] = {
  open: (name) => Promise.reject(new Error(`open netns ${name}: there are none here`)),
  list: async () => [],
  remove: async () => undefined,
};

type PortRequest = Parameters<Host["ports"]["reserve"]>[0][number];

function reserve(
  steps: Steps,
  held: Set<string>,
  { protocol, addresses, range, whole }: PortRequest,
  at: number,
): PortLease {
  steps.take(`reserve ${protocol} ${range?.first ?? "any"}`);
  const first = range?.first ?? 32768 + at;
  const ports = { first, last: whole && range ? range.last : first };
  const keysOf = (part: PortRange) =>
    Array.from({ length: portRangeSize(part) }, (_, offset) =>
      addresses.map((address) => `${protocol} ${formatAddress(address)}:${part.first + offset}`),
    ).flat();
  const taken = keysOf(ports).find((key) => held.has(key));
  if (taken) throw conflict(`Bind for ${taken} failed: port is already allocated`);
  for (const key of keysOf(ports)) held.add(key);
  let left = [ports];
  return {
    protocol,
    ports,
    get parked() {
      return left.map((part) => ({ protocol, addresses, ports: part, fd: 1000 + at }));
    },
    release: (part = ports) => {
      for (const key of keysOf(part)) held.delete(key);
      left = portsWithout(left, [part]);
    },
  };
}

/** Links by name; understands the words of the requests that the bridge driver sends. */
export class MemoryNetlink implements Netlink {
  readonly present = new Map<string, Link>();
  readonly transcript: string[] = [];
  readonly #steps: Steps;
  #next = 10;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  async send(...requests: readonly Request[]): Promise<void> {
    let first: unknown;
    for (const request of requests) {
      try {
        this.#take(request);
        if (request.followedBy) this.#take(request.followedBy);
      } catch (error) {
        first ??= error;
      }
    }
    if (first) throw first;
  }

  sendAside(...requests: readonly Request[]): Promise<void> {
    return this.send(...requests);
  }

  /** Somebody else's device. */
  put(name: string, part: Partial<Link> = {}): void {
    this.present.set(name, linkOf(this.#next++, name, part));
  }

  links = async () => [...this.present.values()];
  link = async (ref: number | string) =>
    [...this.present.values()].find(({ index, name }) => index === ref || name === ref);
  addresses = async (): Promise<LinkAddress[]> => [];
  routes = async () => [];
  neighbours = async () => [];
  fdb = async () => [];
  filters = async () => [];
  close = async () => undefined;
  [Symbol.asyncDispose] = async () => undefined;

  #take(request: Request): void {
    const { words } = request;
    const [, name = ""] = /^ip link (?:add|delete) (\S+)/.exec(words) ?? [];
    if (words.startsWith("ip link delete")) {
      this.transcript.push(words);
      const link = [...this.present.values()].find((own) => own.name === name || `if${own.index}` === name);
      if (name !== "group" && !this.present.delete(link?.name ?? "")) throw refused(request, 19);
      return;
    }
    this.#steps.take(words);
    this.transcript.push(words);
    if (words.startsWith("ip link add")) {
      const [, index] = /^ip link add \S+ index (\d+)/.exec(words) ?? [];
      const hasIndex = [...this.present.values()].some((own) => own.index === Number(index));
      if (this.present.has(name) || hasIndex) throw refused(request, 17);
      const isVeth = words.includes("type veth");
      this.put(name, {
        kind: isVeth ? "veth" : "bridge",
        ...(isVeth && { peerIndex: 2 }),
        ...(index && { index: Number(index) }),
      });
    }
    const [, of, alias] = /^ip link set (\S+) alias (\S+)/.exec(words) ?? [];
    const link = [...this.present.values()].find((own) => own.name === of || `if${own.index}` === of);
    if (link && alias !== undefined) this.present.set(link.name, { ...link, alias });
    const [, doomed] = /^ip link set (\S+) group/.exec(words) ?? [];
    if (doomed !== undefined) this.present.delete(doomed);
  }
}

function refused(request: Request, errno: number): Error {
  return new kernel.NetlinkError(request, errno);
}

function linkOf(index: number, name: string, part: Partial<Link>): Link {
  const stats = {
    rxBytes: 0,
    rxPackets: 0,
    rxErrors: 0,
    rxDropped: 0,
    txBytes: 0,
    txPackets: 0,
    txErrors: 0,
    txDropped: 0,
  };
  return { index, name, mtu: 1500, up: true, carrier: true, loopback: false, group: 0, stats, ...part };
}
