// The cluster's record of a host that was admitted: what it may be, where it is, and which certificates it got.

import { type Address, formatAddress, parseAddress } from "../../netip/index.ts";
import type { HostCertificate } from "../trust/index.ts";
import type { SharedTable } from "../types.ts";
import type { MemberAddress, Ports } from "./identity.ts";
import type { Seat, Wish } from "./seats.ts";

export interface Admission {
  readonly nodeId: string;
  /** For people: the hostname. */
  readonly name: string;
  readonly address: string;
  readonly ports: Ports;
  readonly wish: Wish;
  readonly seat: Seat;
  /** ISO 8601. */
  readonly joinedAt: string;
  /** Those that have not expired: what is taken back when the host is removed. */
  readonly certificates: readonly IssuedCertificate[];
  /** Until then (ISO 8601) no seat is offered: it was, and the host did not come up. */
  readonly passedOverUntil?: string;
}

export interface IssuedCertificate {
  readonly serial: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** A certificate that is no longer good, by its serial. Kept until it would have expired. */
export interface Revocation {
  readonly nodeId: string;
  readonly expiresAt: string;
}

/** The tables behind joining. */
export interface JoinTables {
  readonly admissions: SharedTable<Admission>;
  readonly revocations: SharedTable<Revocation>;
}

export const admissionsTable = "admissions";
export const revocationsTable = "revocations";
export const tokensTable = "tokens";

/** With one certificate more, and those that have expired forgotten. */
export function withCertificate(
  admission: Admission,
  { serial, notAfter }: HostCertificate,
  now: Date,
): Admission {
  const valid = admission.certificates.filter(({ expiresAt }) => expiresAt > now.toISOString());
  return { ...admission, certificates: [...valid, { serial, expiresAt: notAfter.toISOString() }] };
}

/** A host that did not become the member it was to be is not asked again for so long. */
const passOverMs = 10 * 60_000;

export function passedOver(admission: Admission, now: Date): Admission {
  return { ...admission, seat: "node", passedOverUntil: new Date(now.getTime() + passOverMs).toISOString() };
}

/** Where the members are, in the order of their ids. */
export function memberAddresses(admissions: SharedTable<Admission>): MemberAddress[] {
  return [...admissions.entries()]
    .filter(({ value }) => value.seat === "member")
    .map(({ value: { nodeId, address, ports } }) => ({ nodeId, address, ports }));
}

/** Of a record's address. */
export function addressOf({ address, nodeId }: Pick<Admission, "address" | "nodeId">): Address {
  const parsed = parseAddress(address);
  if (!parsed) throw new TypeError(`host ${nodeId} is on record with ${address}, which is no address`);
  return parsed;
}

/** `address:port`, IPv6 in brackets. */
export function formatWhere(address: Address, port: number): string {
  return address.family === 6 ? `[${formatAddress(address)}]:${port}` : `${formatAddress(address)}:${port}`;
}
