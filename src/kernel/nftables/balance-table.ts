// Virtual addresses of services inside a container's namespace, as rules: each connection of its processes is led to one
// of those that serve, by one look-up whatever the number of services (docs/decisions/0017).

import { type Address, addressBytes, type Family, formatAddress } from "../../netip/index.ts";
import type { Request } from "../request.ts";
import { dnatBy, equals, inSet, refuse, type Statement } from "./expression.ts";
import { field, randomShare } from "./field.ts";
import { addChain, addRule, addSet } from "./request.ts";
import { concatenate, type Element, portField, type Table } from "./values.ts";

/** A virtual address, and who serves there. With nobody it refuses. */
export interface BalancedService {
  readonly vip: Address;
  /** Those that are ready; of the same family. */
  readonly backends: readonly Address[];
}

export const balanceTable: Table = { family: "inet", name: "tsdocker-services" };
export const balancedFamilies = [4, 6] as const;

/** What of a packet says where it goes, and how nft calls the family. */
const words = {
  4: { nat: "ip", target: field.ipTarget, type: "ipv4_addr", number: 2 },
  6: { nat: "ip6", target: field.ip6Target, type: "ipv6_addr", number: 10 },
} as const;

/** What is in the table whatever the services: its rules are as many as ever. */
export function balanceRequests(): Request[] {
  return [
    ...balancedFamilies.flatMap(sets),
    addChain(balanceTable, { name: "balance", hook: { type: "nat", at: "output", priority: -100 } }),
    ...balancedFamilies.map((family) => addRule(balanceTable, "balance", leadOn(family))),
    // behind the translation
    addChain(balanceTable, { name: "refuse", hook: { type: "filter", at: "output", priority: 0 } }),
    ...balancedFamilies.flatMap((family) => [
      addRule(balanceTable, "refuse", [...isIdle(family), equals(field.protocol, tcp), refuse("reset")]),
      addRule(balanceTable, "refuse", [...isIdle(family), refuse("unreachable")]),
    ]),
  ];
}

/** Elements by set: each backend of a service has an equal part of 65,536 shares, of which a connection draws one. */
export function balanceElements(
  services: readonly BalancedService[],
): ReadonlyMap<string, readonly Element[]> {
  return new Map(balancedFamilies.flatMap((family) => elementsOf(services, family)));
}

const tcp = Uint8Array.of(6);
const allShares = 65_536;

function sets(family: Family): Request[] {
  const { type } = words[family];
  const backends = { name: `backends${family}`, key: [type, "inet_service"], data: [type] } as const;
  return [
    addSet(balanceTable, { ...backends, interval: true }, family),
    addSet(balanceTable, { name: `idle${family}`, key: [type] }, family + 1),
  ];
}

function elementsOf(services: readonly BalancedService[], family: Family) {
  const own = services
    .filter(({ vip }) => vip.family === family)
    .map(({ vip, backends }) => ({
      vip: addressBytes(vip),
      backends: ordered(backends.filter((backend) => backend.family === family)),
    }));
  const idle = own.filter(({ backends }) => backends.length === 0);
  return [
    [`backends${family}`, own.flatMap(({ vip, backends }) => shares(vip, backends))],
    [`idle${family}`, idle.map(({ vip }): Element => ({ key: vip }))],
  ] as const;
}

function shares(vip: Uint8Array, backends: readonly Uint8Array[]): Element[] {
  const start = (at: number) => Math.floor((at * allShares) / backends.length);
  return backends.map((data, at) => ({
    key: concatenate(vip, portField(start(at))),
    keyEnd: concatenate(vip, portField(start(at + 1) - 1)),
    data,
  }));
}

/** Whoever makes the same again makes it in the same order. */
function ordered(addresses: readonly Address[]): Uint8Array[] {
  const unique = new Map(addresses.map((address) => [formatAddress(address), addressBytes(address)]));
  return [...unique.values()].toSorted(Buffer.compare);
}

function isFamily(family: Family): Statement {
  return equals(field.family, Uint8Array.of(words[family].number));
}

/** Addresses alone are translated, so that every protocol is led on, and an echo request too. */
function leadOn(family: Family): Statement[] {
  const { nat, target } = words[family];
  return [isFamily(family), dnatBy(nat, [target, randomShare], `backends${family}`)];
}

/** Those without a backend alone: a packet that conntrack takes for invalid must not end the living flow it is of. */
function isIdle(family: Family): Statement[] {
  return [isFamily(family), inSet([words[family].target], `idle${family}`)];
}
