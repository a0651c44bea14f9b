// Host ports of rows and wishes, reserved: which leases are missing, and what a lease still holds.

import type { Host, PortLease } from "../../src/driverapi/index.ts";
import { formatAddress, type PortRange, PortSpans, portsWithout } from "../../src/netip/index.ts";
import { joined, type Row, shapeOf, type Wish } from "./port-plan.ts";

/** The rows' host ports, in parts, for which there is no lease yet. */
export function missing(rows: readonly Row[], leases: readonly PortLease[]): Row[] {
  const held = Map.groupBy(leases, shapeOfLease);
  return joined(rows).flatMap((row) => {
    const spans = new PortSpans(
      (held.get(shapeOf(row)) ?? []).flatMap((lease) => heldOf(lease).map((ports) => ({ ports }))),
    );
    const here = spans.within(row.hostPorts).map(({ ports }) => ports);
    return portsWithout([row.hostPorts], here).map((hostPorts) => ({ ...row, hostPorts }));
  });
}

/** Leases for rows and wishes, all or none; the wishes become rows. */
export async function reserve(host: Host, rows: readonly Row[], wishes: readonly Wish[]) {
  if (rows.length + wishes.length === 0) return { leases: [], rows: [] };
  const addressesOf = ({ listeners }: Pick<Row, "listeners">) => listeners.map((listener) => listener.host);
  const leases = await host.ports.reserve([
    ...rows.map((row) => ({
      protocol: row.protocol,
      addresses: addressesOf(row),
      range: row.hostPorts,
      whole: true,
    })),
    ...wishes.map((wish) => ({
      protocol: wish.protocol,
      addresses: addressesOf(wish),
      ...(wish.range && { range: wish.range }),
    })),
  ]);
  const chosen = wishes.flatMap(({ range: _, ...wish }, at) => {
    const lease = leases[rows.length + at];
    return lease ? [{ ...wish, hostPorts: lease.ports }] : [];
  });
  return { leases, rows: chosen };
}

/** The ports that a lease holds still. */
export function heldOf({ parked }: PortLease): PortRange[] {
  return parked.map(({ ports }) => ports);
}

/** The `shapeOf` of the rows whose host ports a lease holds. */
export function shapeOfLease({ protocol, parked }: PortLease): string {
  return `${protocol} ${(parked[0]?.addresses ?? []).map(formatAddress).join(",")}`;
}
