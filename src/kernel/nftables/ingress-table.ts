// The namespace by which connections from outside come to services of a network (docs/decisions/0018), as rules: ports of
// its own, each led to one of the endpoints that serve, by one look-up whatever their number. Nothing else passes.

import { type Address, addressBytes, type Family, formatAddress, protocolNumber } from "../../netip/index.ts";
import type { Request } from "../request.ts";
import {
  differs,
  dnatBy,
  equals,
  hasBits,
  inSet,
  masquerade,
  type Statement,
  verdict,
} from "./expression.ts";
import { ctStatus, field, randomShare } from "./field.ts";
import { addChain, addRule, addSet } from "./request.ts";
import { concatenate, type Element, linkField, portField, type Table } from "./values.ts";

/** A port from outside, and who serves it. */
export interface IngressPort {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
  /** Where endpoints listen. */
  readonly targetPort: number;
  /** Those that are ready; both families together. */
  readonly backends: readonly Address[];
}

/** Whose clients are seen as they are. */
export interface DirectTargets {
  /** Endpoints whose answers to anybody outside come back by this namespace. */
  readonly addresses: readonly Address[];
  /** Clients whom endpoints reach by another way all the same. */
  readonly except: readonly Address[];
}

export const ingressTable: Table = { family: "inet", name: "tsdocker-ingress" };
export const ingressFamilies = [4, 6] as const;

const words = {
  4: { nat: "ip", type: "ipv4_addr", number: 2, source: field.ipSource, target: field.ipTarget },
  6: { nat: "ip6", type: "ipv6_addr", number: 10, source: field.ip6Source, target: field.ip6Target },
} as const;

/** What is in the table whatever the ports. `link`: that of the network whose services they are. */
export function ingressRequests(link: string): Request[] {
  const inside = linkField(link);
  return [
    ...ingressFamilies.flatMap(sets),
    addChain(ingressTable, { name: "lead", hook: { type: "nat", at: "prerouting", priority: -100 } }),
    ...ingressFamilies.map((family) => addRule(ingressTable, "lead", leadOn(family, inside))),
    addChain(ingressTable, {
      name: "pass",
      hook: { type: "filter", at: "forward", priority: 0, policy: "drop" },
    }),
    // the host is no member of the network, nor does anybody there get out this way
    addRule(ingressTable, "pass", [hasBits(field.ctStatus, ctStatus.targetNat), verdict("accept")]),
    addChain(ingressTable, { name: "hide", hook: { type: "nat", at: "postrouting", priority: 100 } }),
    ...ingressFamilies.map((family) =>
      addRule(ingressTable, "hide", [...isDirect(family), verdict("accept")]),
    ),
    addRule(ingressTable, "hide", [equals(field.outLink, inside), masquerade]),
  ];
}

/** Elements by set: each endpoint has an equal part of 65,536 shares of a port, of which a connection draws one. */
export function ingressElements(
  ports: readonly IngressPort[],
  { addresses, except }: DirectTargets = { addresses: [], except: [] },
): ReadonlyMap<string, readonly Element[]> {
  return new Map(
    ingressFamilies.flatMap((family) => [
      [`ports${family}`, ports.flatMap((port) => shares(port, family))] as const,
      [`direct${family}`, keys(addresses, family)] as const,
      [`except${family}`, keys(except, family)] as const,
    ]),
  );
}

const allShares = 65_536;

function sets(family: Family): Request[] {
  const { type } = words[family];
  const ports = { name: `ports${family}`, key: ["inet_proto", "inet_service", "inet_service"] } as const;
  // numbers within the transaction: families are 4 and 6
  const number = family * 10;
  return [
    addSet(ingressTable, { ...ports, interval: true, data: [type, "inet_service"] }, number),
    addSet(ingressTable, { name: `direct${family}`, key: [type] }, number + 1),
    addSet(ingressTable, { name: `except${family}`, key: [type] }, number + 2),
  ];
}

function isDirect(family: Family): Statement[] {
  const { number, source, target } = words[family];
  return [
    equals(field.family, Uint8Array.of(number)),
    inSet([target], `direct${family}`),
    inSet([source], `except${family}`, { not: true }),
  ];
}

function keys(addresses: readonly Address[], family: Family): Element[] {
  const own = addresses.filter((address) => address.family === family);
  return [
    ...new Map(own.map((address) => [formatAddress(address), { key: addressBytes(address) }])).values(),
  ];
}

function leadOn(family: Family, inside: Uint8Array): Statement[] {
  const fields = [field.protocol, field.targetPort, randomShare];
  return [
    differs(field.inLink, inside),
    equals(field.family, Uint8Array.of(words[family].number)),
    dnatBy(words[family].nat, fields, `ports${family}`, { withPort: true }),
  ];
}

function shares({ protocol, port, targetPort, backends }: IngressPort, family: Family): Element[] {
  const own = backends.filter((backend) => backend.family === family);
  const unique = new Map(own.map((address) => [formatAddress(address), addressBytes(address)]));
  // whoever makes the same again makes it in the same order
  const ordered = [...unique.values()].toSorted(Buffer.compare);
  const start = (at: number) => Math.floor((at * allShares) / ordered.length);
  const key = (share: number) =>
    concatenate(Uint8Array.of(protocolNumber[protocol]), portField(port), portField(share));
  return ordered.map((address, at) => ({
    key: key(start(at)),
    keyEnd: key(start(at + 1) - 1),
    data: concatenate(address, portField(targetPort)),
  }));
}
