// What daemon and proxy say to each other, as JSON: requests with an id, and a reply to each. A proxy may be older or
// newer than the daemon that adopts it: another `protocolVersion` makes the daemon start a new one.

import type { ZoneRecord } from "../dns/index.ts";
import { type Address, formatAddress, parseAddress } from "../netip/index.ts";
import type { Forward, ParkedSockets, ResolverConfig, ResolverPorts } from "./types.ts";

export const protocolVersion = 2;

/** Descriptors that one message carries (SCM_MAX_FD is 253). */
export const fdsPerMessage = 250;

export type Request =
  | { readonly op: "hello" }
  /** The wish is whole when `more` is false. The nth batch that is to be held is the nth fd. */
  | {
      readonly op: "forwards";
      readonly owner: string;
      readonly forwards: WireForward[];
      readonly held: WireParked[];
      readonly more: boolean;
    }
  /** `ports`: those that an earlier proxy had, which rules in the sandbox may lead to. */
  | {
      readonly op: "resolver";
      readonly sandbox: string;
      readonly config: Wire<ResolverConfig> | null;
      readonly ports: ResolverPorts | null;
    }
  | { readonly op: "record"; readonly endpoint: string; readonly record: Wire<ZoneRecord> | null }
  /** Holds pipes at these paths; `[]`: no longer. A sweep leaves them alone. */
  | { readonly op: "streams"; readonly key: string; readonly paths: readonly string[] }
  /** Lets go of the pipes of all other keys. */
  | { readonly op: "retainStreams"; readonly keys: readonly string[] }
  /** Ends what this connection has not mentioned. */
  | { readonly op: "sweep" }
  /** All batches that are held: they come with replies of their own, the last of which has `more` false. */
  | { readonly op: "sockets" }
  | { readonly op: "counters" }
  | { readonly op: "stop" };

export type Numbered<T> = T & { readonly id: number };

export type Reply =
  | { readonly id: number; readonly result: unknown; readonly more?: boolean }
  | { readonly id: number; readonly error: string; readonly code?: string };

export interface Hello {
  readonly version: number;
  readonly pid: number;
}

/** The same value with addresses as text. */
export type Wire<T> = T extends Address
  ? string
  : T extends string | number | boolean | undefined | null
    ? T
    : { [K in keyof T]: Wire<T[K]> };

export type WireForward = Wire<Forward>;

export type WireParked = Wire<Omit<ParkedSockets, "fd">>;

/** Addresses become text; everything else is JSON already. */
export function toWire<T>(value: T): Wire<T> {
  return convert(value, (part) => (isAddress(part) ? formatAddress(part) : undefined)) as Wire<T>;
}

/** `toWire` undone. Throws RangeError for what is no address. */
export function resolverConfigFromWire(wire: Wire<ResolverConfig>): ResolverConfig {
  const upstreams = wire.upstreams.map((upstream) => ({
    ...upstream,
    address: addressFromWire(upstream.address),
  }));
  return { ...wire, upstreams };
}

/** `toWire` undone. Throws RangeError for what is no address. */
export function zoneRecordFromWire(wire: Wire<ZoneRecord>): ZoneRecord {
  return { ...wire, addresses: wire.addresses.map(addressFromWire) };
}

/** `toWire` undone. Throws RangeError for what is no address. */
export function forwardFromWire(wire: WireForward): Forward {
  return { ...wire, listen: addressFromWire(wire.listen), target: addressFromWire(wire.target) };
}

/** `toWire` undone; the descriptor came beside it. Throws RangeError for what is no address. */
export function parkedFromWire(wire: WireParked, fd: number): ParkedSockets {
  return { ...wire, addresses: wire.addresses.map(addressFromWire), fd };
}

function addressFromWire(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new RangeError(`not an address: ${text}`);
  return address;
}

function isAddress(value: unknown): value is Address {
  return typeof value === "object" && value !== null && "value" in value && typeof value.value === "bigint";
}

function convert(value: unknown, replace: (part: unknown) => unknown): unknown {
  const replaced = replace(value);
  if (replaced !== undefined) return replaced;
  if (Array.isArray(value)) return value.map((item) => convert(item, replace));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item, replace)]));
}
