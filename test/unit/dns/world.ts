// Queries and views for tests of answers.

import * as packet from "dns-packet";
import {
  decide,
  encodeReply,
  parseQuery,
  type Query,
  type View,
  type ZoneRecord,
  Zones,
} from "../../../src/dns/index.ts";
import { type Address, parseAddress } from "../../../src/netip/index.ts";

export function ip(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new TypeError(`not an address: ${text}`);
  return address;
}

export function record(more: Partial<ZoneRecord> = {}): ZoneRecord {
  const whole = { networkId: "n1", networkName: "x1", endpointId: "e1", names: ["c1"] };
  return { ...whole, addresses: [ip("192.0.2.1")], ...more };
}

export function view(records: readonly ZoneRecord[], more: Partial<View> = {}): View {
  const zones = new Zones();
  for (const one of records) zones.setRecord(one.endpointId, one);
  return { zones, networks: ["n1"], privateNames: {}, forwards: true, ...more };
}

export interface QueryOptions {
  readonly type?: packet.RecordType;
  readonly udpSize?: number;
  readonly version?: number;
  readonly flags?: number;
}

export function queryBytes(
  name: string,
  { type = "A", udpSize, version = 0, flags }: QueryOptions = {},
): Buffer {
  const opt = { type: "OPT", name: ".", udpPayloadSize: udpSize ?? 0, extendedRcode: 0, flags: 0 } as const;
  const additionals = udpSize ? [{ ...opt, ednsVersion: version, flag_do: false, options: [] }] : [];
  const questions = [{ name, type }];
  return packet.encode({
    id: 7,
    type: "query",
    flags: flags ?? packet.RECURSION_DESIRED,
    questions,
    additionals,
  });
}

export function query(name: string, options: QueryOptions = {}): Query {
  const parsed = parseQuery(queryBytes(name, options));
  if (parsed.kind !== "query") throw new TypeError(`not a query: ${parsed.kind}`);
  return parsed.query;
}

/** The answer in brief: "forward", an rcode, or the records' data. */
export function answer(name: string, seen: View, options: QueryOptions = {}): string | string[] {
  const asked = query(name, options);
  const decision = decide(asked, seen);
  if (decision.kind === "forward") return "forward";
  const decoded = packet.decode(encodeReply(asked, decision.content, "tcp"));
  const { rcode } = decoded as unknown as { rcode: string };
  if (rcode !== "NOERROR") return rcode;
  return (decoded.answers ?? []).map((one) => ("data" in one ? String(one.data) : ""));
}
