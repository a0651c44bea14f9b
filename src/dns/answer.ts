// What a sandbox's resolver says to a question: an answer of our own, or that the question goes outside.

import type { Answer } from "dns-packet";
import { type Address, formatAddress } from "../netip/index.ts";
import { type Query, rcodes } from "./query.ts";
import type { ReplyContent } from "./reply.ts";
import { addressOfReverseName } from "./reverse.ts";
import type { Zones } from "./zones.ts";

/** What one sandbox sees. */
export interface View {
  readonly zones: Zones;
  /** Networks whose names it may ask for, in the order in which they win. */
  readonly networks: readonly string[];
  /** Names only it knows (legacy links): name to endpoint ids. */
  readonly privateNames: Readonly<Record<string, readonly string[]>>;
  /** False: no question leaves it. */
  readonly forwards: boolean;
}

export type Decision =
  | { readonly kind: "reply"; readonly content: ReplyContent }
  | { readonly kind: "forward" };

/** Seconds. Short, since a container that restarts may come back with another address. */
export const ttlSeconds = 1;

/**
 * Decides on a question. We own a name in all its types: what we have no record for is NODATA and is never asked
 * outside. A name of one label is never asked outside either. Where nothing may be asked outside the answer is
 * NXDOMAIN: musl takes only NOERROR and NXDOMAIN for an answer and waits ten seconds after REFUSED or SERVFAIL. It
 * bears no SOA, so that no cache keeps it (RFC 2308 §5): the name may be there a moment later.
 */
export function decide(query: Query, view: View): Decision {
  if (query.edns && query.edns.version > 0) return reply({ rcode: rcodes.badVersion });
  const owned = ownedRecords(query, view);
  if (owned) return reply({ rcode: rcodes.noError, authoritative: true, records: owned });
  const isSingleLabel = query.name !== "" && !query.name.includes(".");
  if (isSingleLabel || !view.forwards) return reply({ rcode: rcodes.nameError });
  return { kind: "forward" };
}

/** Addresses behind a lower-case name in a view, as Docker's: `c1`, `c1.x1`, with dots in either part. */
export function resolveName(name: string, view: View): Address[] | undefined {
  const linked = Object.hasOwn(view.privateNames, name) ? view.privateNames[name] : undefined;
  const fromLink = linked && view.zones.addressesOfEndpoints(linked);
  if (fromLink) return fromLink;
  for (const [host, network] of splits(name)) {
    for (const id of view.networks) {
      if (network !== undefined && view.zones.networkName(id)?.toLowerCase() !== network) continue;
      const addresses = view.zones.addressesOf(id, host);
      if (addresses) return addresses;
    }
  }
  return undefined;
}

function reply(content: ReplyContent): Decision {
  return { kind: "reply", content };
}

/** The records we own for a question; empty is NODATA, undefined that the name is not ours. */
function ownedRecords(query: Query, view: View): Answer[] | undefined {
  const pointed = pointedName(query.name, view);
  if (pointed !== undefined) return query.type === "PTR" ? [record(query, "PTR", pointed)] : [];
  const addresses = resolveName(query.name, view);
  return addresses && shuffled(addresses).flatMap((address) => addressRecord(query, address));
}

function pointedName(name: string, view: View): string | undefined {
  const address = name.endsWith(".arpa") ? addressOfReverseName(name) : undefined;
  if (!address) return undefined;
  for (const id of view.networks) {
    const host = view.zones.nameOf(id, address);
    if (host !== undefined) return `${host}.${view.zones.networkName(id)}`;
  }
  return undefined;
}

function addressRecord(query: Query, address: Address): Answer[] {
  const type = address.family === 4 ? "A" : "AAAA";
  if (query.type !== type && query.type !== "ANY") return [];
  return [record(query, type, formatAddress(address))];
}

function record(query: Query, type: "A" | "AAAA" | "PTR", data: string): Answer {
  return { type, name: query.question.name, class: "IN", ttl: ttlSeconds, data };
}

/** `a.b.c` is a.b.c on any network, a.b on network c, a on network b.c. */
function splits(name: string): [host: string, network: string | undefined][] {
  const found: [string, string | undefined][] = [[name, undefined]];
  for (let dot = name.lastIndexOf("."); dot > 0; dot = name.lastIndexOf(".", dot - 1)) {
    found.push([name.slice(0, dot), name.slice(dot + 1)]);
  }
  return found;
}

/** Fisher–Yates: clients take the first address, so the load is spread. */
function shuffled<T>(values: readonly T[]): T[] {
  const mixed = [...values];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other] as T, mixed[last] as T];
  }
  return mixed;
}
