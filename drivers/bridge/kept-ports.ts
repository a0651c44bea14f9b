// What stays as it is when an endpoint's ports change: pieces of rows that were there before, and ports that were chosen
// before. Pure functions.

import {
  commonPorts,
  formatAddress,
  type PortRange,
  PortSpans,
  portRangeSize,
  portsWithout,
} from "../../src/netip/index.ts";
import { joined, type Row, shapeOf, type Wish, wayOf } from "./port-plan.ts";

/** The wished rows, in the pieces in which they were before: what stays keeps its very rule. */
export function continued(wished: readonly Row[], before: readonly Row[]): Row[] {
  const ways = Map.groupBy(wished, wayOf);
  const old = Map.groupBy(before, wayOf);
  return [...ways].flatMap(([way, rows]) => {
    const present = old.get(way) ?? [];
    const spans = new PortSpans(rows.map((row) => ({ ports: row.hostPorts })));
    const kept = present.flatMap((row) =>
      spans.within(row.hostPorts).flatMap(({ ports }) => cut(row, commonPorts(row.hostPorts, ports))),
    );
    const ports = portsWithout(
      rows.map(({ hostPorts }) => hostPorts),
      present.map(({ hostPorts }) => hostPorts),
    );
    const [first] = rows;
    return first ? [...kept, ...joined(ports.flatMap((part) => cut(first, part)))] : kept;
  });
}

/** Ports that were chosen before are chosen again: rows for the wishes that have one, and the wishes without. */
export function keptRows(
  wishes: readonly Wish[],
  { plan, before }: { readonly plan: readonly Row[]; readonly before: readonly Row[] },
): { rows: Row[]; open: Wish[] } {
  if (wishes.length === 0) return { rows: [], open: [] };
  const taken = new Set<string>(plan.flatMap((row) => cells(row)));
  const chosen = Map.groupBy(before, placeOf);
  const rows: Row[] = [];
  const open: Wish[] = [];
  for (const wish of wishes) {
    const port = (chosen.get(placeOf(wish)) ?? [])
      .map(({ containerPort, hostPorts }) => ({
        at: hostPorts.first + wish.containerPort - containerPort,
        hostPorts,
      }))
      .find(
        ({ at, hostPorts }) =>
          isIn(at, hostPorts) && (!wish.range || isIn(at, wish.range)) && !taken.has(cellOf(wish, at)),
      )?.at;
    if (port === undefined) {
      open.push(wish);
      continue;
    }
    taken.add(cellOf(wish, port));
    const { range: _, ...row } = wish;
    rows.push({ ...row, hostPorts: { first: port, last: port } });
  }
  return { rows, open };
}

/** Other ports on the same way. */
function cut(row: Row, hostPorts: PortRange | undefined): Row[] {
  if (!hostPorts) return [];
  return [{ ...row, hostPorts, containerPort: row.containerPort + hostPorts.first - row.hostPorts.first }];
}

function placeOf(row: Pick<Row, "protocol" | "listeners">): string {
  return `${shapeOf(row)} ${row.listeners.map(({ target }) => formatAddress(target)).join(",")}`;
}

function cells(row: Row): string[] {
  return Array.from({ length: portRangeSize(row.hostPorts) }, (_, at) =>
    cellOf(row, row.hostPorts.first + at),
  );
}

function cellOf(row: Pick<Row, "protocol" | "listeners">, port: number): string {
  return `${shapeOf(row)} ${port}`;
}

function isIn(port: number, { first, last }: PortRange): boolean {
  return port >= first && port <= last;
}
