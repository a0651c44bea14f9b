// Rules as elements of the layout's maps and sets: a pure function.

import {
  concatenate,
  type Element,
  hostNumber,
  intervalElements,
  linkField,
  type Verdict,
} from "../../kernel/nftables/index.ts";
import {
  type Address,
  addressBytes,
  addressWidth,
  type Family,
  firstAddress,
  isUnspecified,
  lastAddress,
  linkLocalOf,
  macBytes,
  type Prefix,
  type Protocol,
  protocolNumber,
} from "../../netip/index.ts";
import { hostAddressOf } from "../key.ts";
import type { AllowRule, BridgeRule, GuardRule, OpenRule, PublishRule, Rule } from "../rules.ts";
import { familyField } from "./matches.ts";

/** One thing in one set: an element, or the two that an interval of one field is. */
export interface Entry {
  readonly table: "main" | "bridge";
  readonly set: string;
  /** Set and key: no two rules may have the same. */
  readonly id: string;
  /** What the key maps to, to compare by. */
  readonly value: string;
  readonly elements: readonly Element[];
  /** Several rules may hold the element, each under an id of its own: what they share. It goes with the last of them. */
  readonly sharedAs?: string;
}

/** The entries of a rule; with `families` only what concerns these. */
export function entriesOf(rule: Rule, families: readonly Family[]): Entry[] {
  switch (rule.kind) {
    case "bridge":
      return bridgeEntries(rule, families);
    case "guard":
      return guardEntries(rule, families);
    case "publish":
      return families.includes(rule.target.family) ? publishEntries(rule) : [];
    case "forwarding":
      return [];
    case "open":
      return families.includes(rule.family) ? openEntries(rule) : [];
    case "allow":
      return families.includes(rule.target.family) ? allowEntries(rule) : [];
  }
}

function bridgeEntries(rule: BridgeRule, families: readonly Family[]): Entry[] {
  const link = linkField(rule.link);
  const within: Verdict = rule.icc ? "accept" : { goto: "icc_off" };
  return [
    single("main", "within", concatenate(link, link), within),
    single("main", "bridges", link),
    ...(rule.portGroup === undefined ? [] : groupEntries({ ...rule, portGroup: rule.portGroup }, families)),
    ...hostAccessEntries(rule),
    ...rule.trustedLinks.map((from) => single("main", "trusted", concatenate(linkField(from), link))),
    ...families.flatMap((family) => judgement(rule, family)),
    ...rule.subnets
      .filter(({ address }) => families.includes(address.family))
      .flatMap((subnet) => subnetEntries(rule, subnet)),
  ];
}

type GroupedBridgeRule = BridgeRule & { readonly portGroup: number };

function groupEntries(rule: GroupedBridgeRule, families: readonly Family[]): Entry[] {
  const own = rule.self ? taken(rule.link, rule.portGroup, rule.self, families) : [];
  return rule.icc ? own : [...keptApart(rule), ...own];
}

/** From one port of the bridge to another, also where one of them is somebody else's (which is in no group). */
function keptApart({ portGroup }: GroupedBridgeRule): Entry[] {
  const [ours, none] = [hostNumber(portGroup), hostNumber(0)];
  const pairs = [concatenate(ours, ours), concatenate(ours, none), concatenate(none, ours)];
  return pairs.map((pair) => single("bridge", "apart", pair));
}

function hostAccessEntries({ link, hostAccess = "all" }: BridgeRule): Entry[] {
  const key = linkField(link);
  if (hostAccess === "all") return [];
  if (hostAccess === "ports") return [single("main", "host_access", key, { goto: "host_ports" })];
  return [single("main", "host_access", key, { goto: "host_none" }), single("main", "host_closed", key)];
}

function guardEntries(rule: GuardRule, families: readonly Family[]): Entry[] {
  const { port, portGroup, antispoof } = rule;
  const claims = claimsOf(rule, families);
  const mine = taken(port, portGroup, rule, families);
  if (antispoof === "off") return mine;
  const link = linkField(port);
  return [
    single("bridge", "guards", link, { goto: antispoof }),
    ...claims.map(({ kind, value }) => single("bridge", `own${kind}`, concatenate(link, value))),
    ...mine,
  ];
}

/** What nobody else on the bridge may claim. Two containers may have been given one MAC. */
function taken(holder: string, portGroup: number, who: Claimant, families: readonly Family[]): Entry[] {
  return claimsOf(who, families).map(({ kind, value }) => {
    const made = single("bridge", `taken${kind}`, concatenate(hostNumber(portGroup), value));
    return { ...made, id: `${made.id} of ${holder}`, sharedAs: made.id };
  });
}

type Claimant = Pick<GuardRule, "mac" | "addresses">;

function claimsOf({ mac, addresses }: Claimant, families: readonly Family[]) {
  const ips = families.includes(6) ? [...addresses, linkLocalOf(mac)] : addresses;
  return [
    { kind: "_macs", value: macBytes(mac) },
    ...distinct(ips)
      .filter(({ family }) => families.includes(family))
      .map((address) => ({ kind: `${address.family}`, value: addressBytes(address) })),
  ];
}

function distinct(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [`${address.family} ${address.value}`, address])).values()];
}

/** Which chain judges what comes from the bridge and what goes to it. */
function judgement(rule: BridgeRule, family: Family): Entry[] {
  const key = concatenate(familyField[family], linkField(rule.link));
  const mode = rule.internal ? "isolated" : rule.gatewayMode[family];
  const chains = {
    nat: { from: { jump: "from_nat" }, to: { goto: "to_nat" } },
    "nat-unprotected": { from: { jump: "from_nat" }, to: "accept" },
    routed: { from: { jump: "from_routed" }, to: { goto: "to_routed" } },
    isolated: { from: { goto: "from_internal" }, to: "drop" },
  } as const satisfies Record<string, { from: Verdict; to: Verdict }>;
  return [single("main", "from", key, chains[mode].from), single("main", "to", key, chains[mode].to)];
}

function subnetEntries(rule: BridgeRule, subnet: Prefix): Entry[] {
  const { family } = subnet.address;
  const first = addressBytes(firstAddress(subnet));
  const last = addressBytes(lastAddress(subnet));
  const link = linkField(rule.link);
  const inside = range("main", `inside${family}`, concatenate(link, first), concatenate(link, last));
  const source = rule.internal ? "keep" : rule.source[family];
  if (source === "keep") return [inside];
  if (source === "masquerade") return [inside, interval(`masquerade${family}`, first, last)];
  return [inside, interval(`snat${family}`, first, last, addressBytes(source))];
}

/** Where the numbers stay as they are one entry holds a whole range; else it takes one for each port. */
function publishEntries(rule: PublishRule): Entry[] {
  const { hostPorts, targetPorts, target } = rule;
  const host = hostAddressOf(rule);
  const suffix = `${target.family}${host ? "_at" : ""}`;
  const to = addressBytes(target);
  const at = (port: number) => portKey(host ? [host] : [], rule.protocol, port);
  const isOneToOne = hostPorts.first === targetPorts.first && hostPorts.first < hostPorts.last;
  if (isOneToOne) return [range("main", `port_ranges${suffix}`, at(hostPorts.first), at(hostPorts.last), to)];
  const shift = targetPorts.first - hostPorts.first;
  const entries: Entry[] = [];
  for (let port = hostPorts.first; port <= hostPorts.last; port++)
    entries.push(single("main", `ports${suffix}`, at(port), withPort(to, port + shift)));
  return entries;
}

function openEntries({ family, protocol, hostAddress, hostPorts }: OpenRule): Entry[] {
  const host = hostAddress && !isUnspecified(hostAddress) ? [hostAddress] : [];
  const { first, last } = hostPorts;
  if (first === last)
    return [single("main", `open${family}${host.length > 0 ? "_at" : ""}`, portKey(host, protocol, first))];
  const none: Address = { family, value: 0n };
  const all: Address = { family, value: (1n << BigInt(addressWidth(family))) - 1n };
  const [from, to] = [host[0] ?? none, host[0] ?? all];
  return [
    range("main", `open_ranges${family}`, portKey([from], protocol, first), portKey([to], protocol, last)),
  ];
}

function allowEntries({ from, target, protocol, targetPorts: { first, last } }: AllowRule): Entry[] {
  const { family } = target;
  const source = typeof from === "object" ? [from] : [];
  const key = (port: number) => portKey([...source, target], protocol, port);
  if (source.length > 0)
    return (["main", "bridge"] as const).map((table) =>
      range(table, `allow_from${family}`, key(first), key(last)),
    );
  const [one, several] = from === "trusted" ? ["trusted_ports", "trusted_ranges"] : ["allow", "allow_ranges"];
  if (first === last) return [single("main", `${one}${family}`, key(first))];
  return [range("main", `${several}${family}`, key(first), key(last))];
}

// Of tens of thousands of ports each has a key, and most have data: what `concatenate` would give, with less in between.

function portKey(addresses: readonly Address[], protocol: Protocol, port: number): Uint8Array {
  const width = addresses.reduce((sum, address) => sum + addressWidth(address.family) / 8, 0);
  const key = new Uint8Array(width + 8);
  let at = 0;
  for (const address of addresses) {
    key.set(addressBytes(address), at);
    at += addressWidth(address.family) / 8;
  }
  key[at] = protocolNumber[protocol];
  return putPort(key, at + 4, port);
}

function withPort(address: Uint8Array, port: number): Uint8Array {
  const data = new Uint8Array(address.length + 4);
  data.set(address);
  return putPort(data, address.length, port);
}

function putPort(into: Uint8Array, at: number, port: number): Uint8Array {
  into[at] = port >> 8;
  into[at + 1] = port & 0xff;
  return into;
}

function single(table: Entry["table"], set: string, key: Uint8Array, data?: Uint8Array | Verdict): Entry {
  return entry(table, set, key, data, [{ key, ...(data === undefined ? {} : { data }) }]);
}

/** An element of a set of concatenated intervals. */
function range(
  table: Entry["table"],
  set: string,
  key: Uint8Array,
  keyEnd: Uint8Array,
  data?: Uint8Array,
): Entry {
  const element = { key, keyEnd, ...(data ? { data } : {}) };
  return entry(table, set, Buffer.concat([key, keyEnd]), data, [element]);
}

/** An interval of a set whose key is one field. */
function interval(set: string, first: Uint8Array, last: Uint8Array, data?: Uint8Array): Entry {
  const elements = intervalElements(first, last, data);
  return entry("main", set, Buffer.concat([first, last]), data, elements);
}

function entry(
  table: Entry["table"],
  set: string,
  key: Uint8Array,
  data: Uint8Array | Verdict | undefined,
  elements: readonly Element[],
): Entry {
  const id = `${table} ${set} ${text(key)}`;
  const value = data instanceof Uint8Array ? text(data) : (JSON.stringify(data) ?? "");
  return { table, set, id, value, elements };
}

/** As latin1, which for the few bytes of a key is quicker than by way of a Buffer. */
function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
