// Rules as elements of the layout's maps and sets: a pure function.

import {
  concatenate,
  type Element,
  intervalElements,
  linkField,
  portField,
  type Verdict,
} from "../../kernel/nftables/index.ts";
import {
  type Address,
  addressBytes,
  type Family,
  firstAddress,
  lastAddress,
  type PortRange,
  type Prefix,
  type Protocol,
  protocolNumber,
} from "../../netip/index.ts";
import { hostAddressOf } from "../key.ts";
import type { AllowRule, BridgeRule, PublishRule, Rule } from "../rules.ts";
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
}

/** The entries of a rule; with `families` only what concerns these. */
export function entriesOf(rule: Rule, families: readonly Family[]): Entry[] {
  switch (rule.kind) {
    case "bridge":
      return bridgeEntries(rule, families);
    case "publish":
      return families.includes(rule.target.family) ? publishEntries(rule) : [];
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
    ...(rule.icc ? [] : [single("bridge", "icc_off", link)]),
    ...rule.trustedLinks.map((from) => single("main", "trusted", concatenate(linkField(from), link))),
    ...families.flatMap((family) => judgement(rule, family)),
    ...rule.subnets
      .filter(({ address }) => families.includes(address.family))
      .flatMap((subnet) => subnetEntries(rule, subnet)),
  ];
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
  return ports(hostPorts).map((port) =>
    single("main", `ports${suffix}`, at(port), concatenate(to, portField(port + shift))),
  );
}

function allowEntries({ from, target, protocol, targetPorts: { first, last } }: AllowRule): Entry[] {
  const { family } = target;
  const key = (port: number) => portKey(from ? [from, target] : [target], protocol, port);
  if (from)
    return (["main", "bridge"] as const).map((table) =>
      range(table, `allow_from${family}`, key(first), key(last)),
    );
  if (first === last) return [single("main", `allow${family}`, key(first))];
  return [range("main", `allow_ranges${family}`, key(first), key(last))];
}

function portKey(addresses: readonly Address[], protocol: Protocol, port: number): Uint8Array {
  const number = Uint8Array.of(protocolNumber[protocol]);
  return concatenate(...addresses.map(addressBytes), number, portField(port));
}

function ports({ first, last }: PortRange): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
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
  const id = `${table} ${set} ${Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1")}`;
  const value =
    data instanceof Uint8Array ? Buffer.from(data).toString("latin1") : (JSON.stringify(data) ?? "");
  return { table, set, id, value, elements };
}
