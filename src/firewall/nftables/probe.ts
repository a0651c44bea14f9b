// Whether this kernel's nftables can hold the layout: asked once, before anything is made.

import { NetlinkError } from "../../kernel/index.ts";
import {
  addChain,
  addRule,
  addSet,
  addTable,
  deleteTable,
  dnatBy,
  equals,
  field,
  hostNumber,
  localAddressKind,
  type Nftables,
  type Table,
} from "../../kernel/nftables/index.ts";
import { hasCode, notImplemented } from "../../util/errors.ts";
import { isIpv4 } from "./matches.ts";

const table: Table = { family: "inet", name: "tsdocker-probe" };

/**
 * Tries what not every kernel has (NAT in the inet family, concatenated intervals, fib) in a transaction that takes it
 * away again.
 * @throws not-implemented, with what the kernel refused
 */
export async function probeNftables(nftables: Nftables): Promise<void> {
  const map = {
    name: "ranges",
    key: ["inet_proto", "inet_service"],
    interval: true,
    data: ["ipv4_addr"],
  } as const;
  const isLocal = equals(field.targetKind, hostNumber(localAddressKind));
  try {
    await nftables.commit([
      addTable(table),
      addChain(table, { name: "c", hook: { type: "nat", at: "prerouting", priority: -100 } }),
      addSet(table, map, 1),
      addRule(table, "c", [isLocal, isIpv4, dnatBy("ip", [field.protocol, field.targetPort], map.name)]),
      deleteTable(table),
    ]);
  } catch (error) {
    if (error instanceof NetlinkError && error.code !== "EPERM")
      throw notImplemented(`use the nftables back end: this kernel refuses: ${error.message}`);
    throw error;
  }
}

/** Whether this kernel has tables that belong to one process and outlive it (see `addTable`; Linux 6.9). */
export async function canOwnTables(nftables: Nftables): Promise<boolean> {
  try {
    await nftables.commit([addTable(table, { owned: true }), deleteTable(table)]);
    return true;
  } catch (error) {
    if (hasCode(error, "EOPNOTSUPP", "EINVAL")) return false;
    throw error;
  }
}

/** Whether chains can see what links give out (`hook egress`, Linux 5.16), on several links at once. */
export async function canFilterEgress(nftables: Nftables): Promise<boolean> {
  const probed: Table = { family: "netdev", name: table.name };
  const hook = { type: "filter", at: "egress", devices: ["lo"], priority: 0 } as const;
  const isFromProcess = equals(field.socketUser, hostNumber(0));
  try {
    await nftables.commit([
      addTable(probed),
      addChain(probed, { name: "c", hook }),
      addRule(probed, "c", [isFromProcess]),
      deleteTable(probed),
    ]);
    return true;
  } catch (error) {
    if (hasCode(error, "EOPNOTSUPP", "EINVAL", "ENOENT", "EAFNOSUPPORT")) return false;
    throw error;
  }
}

/** Whether rules can tell what IPsec sealed from what is in clear, in either direction (`rt ipsec`, `ipsec in reqid`). */
export async function canSeal(nftables: Nftables): Promise<boolean> {
  const isOut = equals(field.isSealed, Uint8Array.of(1));
  const isIn = equals(field.arrivedRequestId, hostNumber(1));
  try {
    await nftables.commit([
      addTable(table),
      addChain(table, { name: "in", hook: { type: "filter", at: "prerouting", priority: 0 } }),
      addChain(table, { name: "out", hook: { type: "filter", at: "postrouting", priority: 0 } }),
      addChain(table, { name: "again", hook: { type: "route", at: "output", priority: 0 } }),
      addRule(table, "in", [isIn]),
      addRule(table, "out", [isOut]),
      deleteTable(table),
    ]);
    return true;
  } catch (error) {
    if (hasCode(error, "EOPNOTSUPP", "EINVAL", "ENOENT")) return false;
    throw error;
  }
}
