// Ports in a row as one value: what a client spells out port by port is kept, handed on and stored as ranges.

import { formatAddress, type PortRange, portRangeSize } from "../netip/index.ts";
import type { ExposedPorts, PortBinding } from "./types.ts";

/** Bindings that follow one another in both port numbers become one with a `count`; the others stay as they are. */
export function joinBindings(bindings: readonly PortBinding[]): PortBinding[] {
  return joinRuns(bindings, {
    // of one that leaves a choice of host ports there is nothing to join
    wayOf: (binding) => (isFixed(binding) ? wayOf(binding) : undefined),
    portsOf: ({ hostPorts }) => hostPorts ?? { first: 0, last: 0 },
    withPorts: (binding, hostPorts) => ({ ...binding, hostPorts, count: portRangeSize(hostPorts) }),
  });
}

/** Port by port again. */
export function singleBindings(bindings: readonly PortBinding[]): PortBinding[] {
  return bindings.flatMap((binding) => {
    const { count = 1, ...rest } = binding;
    const { hostPorts, containerPort } = rest;
    if (count === 1 || !hostPorts) return [binding];
    return Array.from({ length: count }, (_, at) => ({
      ...rest,
      containerPort: containerPort + at,
      hostPorts: { first: hostPorts.first + at, last: hostPorts.first + at },
    }));
  });
}

/** HostConfig.PortBindings. */
export type PortBindingsDocument = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>
>;

/** Docker's PortBindings, port by port. */
export function bindingsDocument(bindings: readonly PortBinding[]): PortBindingsDocument {
  const document: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const binding of singleBindings(bindings)) {
    const { protocol, containerPort, hostAddress } = binding;
    const port = `${containerPort}/${protocol}`;
    const host = {
      HostIp: hostAddress ? formatAddress(hostAddress) : "",
      HostPort: hostPortText(binding.hostPorts),
    };
    const known = document[port];
    if (known) known.push(host);
    else document[port] = [host];
  }
  return document;
}

/** `8080`, `8000-8010`; empty for any. */
export function hostPortText(range: PortBinding["hostPorts"]): string {
  if (!range) return "";
  return range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
}

/** Exposed ports that follow one another become one range. */
export function joinExposed(exposed: readonly ExposedPorts[]): ExposedPorts[] {
  return joinRuns(exposed, {
    wayOf: ({ protocol }) => protocol,
    portsOf: ({ range }) => range,
    withPorts: (ports, range) => ({ ...ports, range }),
  });
}

type Fixed = PortBinding & { readonly hostPorts: PortRange };

/** Whether it says which host ports. */
function isFixed(binding: PortBinding): binding is Fixed {
  const { hostPorts, count = 1 } = binding;
  return hostPorts !== undefined && portRangeSize(hostPorts) === count;
}

function wayOf({ protocol, hostAddress, containerPort, hostPorts }: Fixed): string {
  return `${protocol} ${hostAddress ? formatAddress(hostAddress) : ""} ${hostPorts.first - containerPort}`;
}

interface Joining<T> {
  /** Only those that have it in common are joined; undefined: never. */
  readonly wayOf: (item: T) => string | undefined;
  readonly portsOf: (item: T) => PortRange;
  readonly withPorts: (item: T, ports: PortRange) => T;
}

/** Each item that goes on where an earlier one ends becomes part of it, in the order given: clients send them sorted. */
function joinRuns<T>(items: readonly T[], { wayOf, portsOf, withPorts }: Joining<T>): T[] {
  const found: { first: T; ports: PortRange; isRun: boolean }[] = [];
  const open = new Map<string, (typeof found)[number]>();
  for (const item of items) {
    const ports = portsOf(item);
    const way = wayOf(item);
    const run = way === undefined ? undefined : open.get(way);
    if (run && run.ports.last + 1 === ports.first) {
      run.ports = { first: run.ports.first, last: ports.last };
      run.isRun = true;
      continue;
    }
    const own = { first: item, ports, isRun: false };
    found.push(own);
    if (way !== undefined) open.set(way, own);
  }
  return found.map(({ first, ports, isRun }) => (isRun ? withPorts(first, ports) : first));
}
