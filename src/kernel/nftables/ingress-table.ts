// The namespace by which connections from outside come to services of a network (docs/decisions/0018), as rules: ports of
// its own, each led to one of the endpoints that serve, by one look-up whatever their number. Nothing else passes.

import { type Address, addressBytes, type Family, formatAddress, protocolNumber } from "../../netip/index.ts";
import type { Request } from "../request.ts";
import { differs, dnatBy, equals, hasBits, masquerade, type Statement, verdict } from "./expression.ts";
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

export const ingressTable: Table = { family: "inet", name: "tsdocker-ingress" };
export const ingressFamilies = [4, 6] as const;

const words = {
  4: { nat: "ip", type: "ipv4_addr", number: 2 },
  6: { nat: "ip6", type: "ipv6_addr", number: 10 },
} as const;

/** What is in the table whatever the ports. `link`: that of the network whose services they are. */
export function ingressRequests(link: string): Request[] {
  const inside = linkField(link);
  return [
    ...ingressFamilies.map(portMap),
    addChain(ingressTable, { name: "lead", hook: { type: "nat", at: "prerouting", priority: -100 } }),
    ...ingressFamilies.map((family) => addRule(ingressTable, "lead", leadOn(family, inside))),
    addChain(ingressTable, {
      name: "pass",
      hook: { type: "filter", at: "forward", priority: 0, policy: "drop" },
    }),
    // the host is no member of the network, nor does anybody there get out this way
    addRule(ingressTable, "pass", [hasBits(field.ctStatus, ctStatus.targetNat), verdict("accept")]),
    addChain(ingressTable, { name: "hide", hook: { type: "nat", at: "postrouting", priority: 100 } }),
    addRule(ingressTable, "hide", [equals(field.outLink, inside), masquerade]),
  ];
}

/** Elements by set: each endpoint has an equal part of 65,536 shares of a port, of which a connection draws one. */
export function ingressElements(ports: readonly IngressPort[]): ReadonlyMap<string, readonly Element[]> {
  return new Map(
    ingressFamilies.map(
      (family) => [`ports${family}`, ports.flatMap((port) => shares(port, family))] as const,
    ),
  );
}

const allShares = 65_536;

function portMap(family: Family): Request {
  const { type } = words[family];
  return addSet(
    ingressTable,
    {
      name: `ports${family}`,
      key: ["inet_proto", "inet_service", "inet_service"],
      interval: true,
      data: [type, "inet_service"],
    },
    family,
  );
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
