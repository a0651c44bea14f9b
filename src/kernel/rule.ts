// Rules of policy routing: which routing table is asked about a packet.

import { type Address, addressWidth, type Family, formatAddress } from "../netip/index.ts";
import { Encoder, nlmFlag } from "./codec.ts";
import type { Request } from "./request.ts";
import { createFlags, encodeAddress, familyNumber, rtm, say } from "./rtnetlink.ts";

/** A rule to add or delete. */
export interface RuleSpec {
  readonly family: Family;
  /** Lower is asked first; the main table is asked by rule 32766. */
  readonly priority: number;
  /** Packets with this source; absent: all. */
  readonly from?: Address;
  /** The table that is asked. */
  readonly table: number;
  /** Routes to prefixes of at most this length do not count: 0 leaves default routes out. */
  readonly suppressPrefixLength?: number;
}

/** FRA_* */
const fra = { source: 2, priority: 6, suppressPrefixLength: 14, table: 15 } as const;
const actionToTable = 1; // FR_ACT_TO_TBL
const tableInAttribute = 0; // RT_TABLE_UNSPEC; the header's field has one byte

/** `ip rule add`: EEXIST when it is there, EAFNOSUPPORT when the kernel has one table only. */
export function addRule(spec: RuleSpec): Request {
  return { type: rtm.newRule, flags: createFlags, payload: encode(spec), words: words(spec, "add") };
}

/** `ip rule delete`. Fails with ENOENT when it is gone. */
export function deleteRule(spec: RuleSpec): Request {
  return { type: rtm.deleteRule, flags: nlmFlag.ack, payload: encode(spec), words: words(spec, "delete") };
}

function encode({ family, priority, from, table, suppressPrefixLength }: RuleSpec): Buffer {
  const header = Buffer.alloc(12); // struct fib_rule_hdr
  header.writeUInt8(familyNumber(family), 0);
  header.writeUInt8(from ? addressWidth(family) : 0, 2);
  header.writeUInt8(tableInAttribute, 4);
  header.writeUInt8(actionToTable, 7);
  const encoder = new Encoder().struct(header);
  encodeAddress(encoder, fra.source, from);
  encoder.u32(fra.priority, priority).u32(fra.table, table);
  if (suppressPrefixLength !== undefined) encoder.u32(fra.suppressPrefixLength, suppressPrefixLength);
  return encoder.finish();
}

function words({ family, priority, from, table, suppressPrefixLength }: RuleSpec, verb: string): string {
  return say(
    family === 6 && "ip -6",
    family === 4 && "ip",
    `rule ${verb} priority ${priority} from`,
    from ? formatAddress(from) : "all",
    `lookup ${table}`,
    suppressPrefixLength !== undefined && `suppress_prefixlength ${suppressPrefixLength}`,
  );
}
