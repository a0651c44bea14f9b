// What a sandbox's resolver says to a question: an answer of our own, or that the question goes outside.

import { type Address, addressBytes } from "../netip/index.ts";
import { type Query, rcodes, recordTypes } from "./query.ts";
import { type AnswerRecord, encodeName, type ReplyContent } from "./reply.ts";
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

/**
 * Decides on a question. We own a name in all its types: what we have no record for is NODATA and is never asked
 * outside, nor is a service of it (`_http._tcp.c1`). A name of one label is never asked outside either. Where nothing
 * may be asked outside the answer is NXDOMAIN: musl takes only NOERROR and NXDOMAIN for an answer and waits ten seconds
 * after REFUSED or SERVFAIL.
 */
export function decide(query: Query, view: View): Decision {
  if (query.edns && query.edns.version > 0) return reply({ rcode: rcodes.badVersion });
  const owned = ownedRecords(query, view);
  if (owned) return ownAnswer(owned);
  const service = serviceLabels(query, view);
  if (service > 0) return noSuchName(service, true);
  if (view.forwards && query.labels !== 1) return { kind: "forward" };
  // a name above one that exists does exist, without records (RFC 8020 §2)
  return isAboveOwned(query.name, view) ? ownAnswer([]) : noSuchName(query.labels, false);
}

/** Addresses behind a lower-case name in a view, as Docker's: `c1`, `c1.x1`, with dots in either part. */
function resolveName(name: string, view: View): Address[] | undefined {
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

function ownAnswer(records: readonly AnswerRecord[]): Decision {
  const { noError: rcode } = rcodes;
  return reply({ rcode, authoritative: true, records, ...(records.length === 0 && { zoneAfter: 0 }) });
}

function noSuchName(zoneAfter: number, authoritative: boolean): Decision {
  return reply({ rcode: rcodes.nameError, zoneAfter, authoritative });
}

/** The records we own for a question; empty is NODATA, undefined that the name is not ours. */
function ownedRecords(query: Query, view: View): AnswerRecord[] | undefined {
  const pointed = pointedName(query.name, view);
  if (pointed !== undefined) return pointerRecord(query, pointed);
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

function pointerRecord({ type }: Query, pointed: string): AnswerRecord[] {
  const data = type === recordTypes.ptr || type === recordTypes.any ? encodeName(pointed) : undefined;
  return data ? [{ type: recordTypes.ptr, data }] : [];
}

function addressRecord(query: Query, address: Address): AnswerRecord[] {
  const type = address.family === 4 ? recordTypes.a : recordTypes.aaaa;
  if (query.type !== type && query.type !== recordTypes.any) return [];
  return [{ type, data: addressBytes(address) }];
}

/** How many labels with an underscore stand before a name that we own (RFC 2782); 0 when it is not ours. */
function serviceLabels({ name }: Query, view: View): number {
  let rest = name;
  let count = 0;
  for (; rest.startsWith("_") && rest.includes("."); count++) rest = rest.slice(rest.indexOf(".") + 1);
  return count > 0 && resolveName(rest, view) ? count : 0;
}

function isAboveOwned(name: string, view: View): boolean {
  if (Object.keys(view.privateNames).some((own) => own.endsWith(`.${name}`))) return true;
  return view.networks.some((id) => view.zones.isAbove(id, name));
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
