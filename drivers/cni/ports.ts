// Host ports of an endpoint: reserved by sockets like everybody's, and told to the plugins in the words of `portMappings`.

import type {
  ExternalConnectivityRequest,
  Host,
  PortBinding,
  PortLease,
  PublishedPort,
} from "../../src/driverapi/index.ts";
import {
  type Address,
  type Family,
  formatAddress,
  isUnspecified,
  type PortRange,
  portRangeSize,
} from "../../src/netip/index.ts";
import { Undo } from "../../src/util/undo.ts";
import type { PortMapping } from "./chain.ts";

/** Container ports in a row on as many host ports. */
export interface OpenPorts {
  readonly binding: PortBinding;
  /** On the host, of families in which the container is reached. */
  readonly addresses: readonly Address[];
  readonly lease: PortLease;
}

type Wish = Omit<OpenPorts, "lease">;

/**
 * Reserves what a request needs besides what is open already, all or none. Answers all that is wished then; what of
 * `before` is not among it is the caller's to release.
 * @throws conflict when a port is taken
 */
export async function reservePorts(
  host: Pick<Host, "ports" | "log">,
  wishes: readonly Wish[],
  before: readonly OpenPorts[],
): Promise<{ readonly open: readonly OpenPorts[]; readonly undo: Undo }> {
  const unused = new Set(before);
  const kept = wishes.map((wish) => {
    const same = [...unused].find((open) => isFor(open, wish));
    if (same) unused.delete(same);
    return same && { ...wish, lease: same.lease };
  });
  const fresh = wishes.filter((_, at) => !kept[at]);
  const leases = await host.ports.reserve(fresh.map(requestOf));
  const undo = new Undo(host.log);
  undo.defer("release host ports", () => {
    for (const lease of leases) lease.release();
  });
  const opened = fresh.flatMap((wish, at) => (leases[at] ? [{ ...wish, lease: leases[at] }] : []));
  return { open: [...kept.filter((open) => open !== undefined), ...opened], undo };
}

/** One wish for each host port, or row of them, in the families that are asked for and had. */
export function wishesOf(
  { portBindings, gateways }: Pick<ExternalConnectivityRequest, "portBindings" | "gateways">,
  has: { readonly [F in Family]: boolean },
): Wish[] {
  const isReached = { 4: gateways.ipv4 && has[4], 6: gateways.ipv6 && has[6] };
  return portBindings.flatMap((binding) => {
    const addresses = (binding.hostAddress ? [binding.hostAddress] : everyAddress).filter(
      ({ family }) => isReached[family],
    );
    if (addresses.length === 0) return [];
    const { count = 1, hostPorts, containerPort, ...rest } = binding;
    if (count === 1 || (hostPorts && portRangeSize(hostPorts) === count)) return [{ binding, addresses }];
    // each finds a port of its own
    return Array.from({ length: count }, (_, at) => ({
      binding: { ...rest, containerPort: containerPort + at, ...(hostPorts && { hostPorts }) },
      addresses,
    }));
  });
}

/** What plugins are told. */
export function mappingsOf(open: readonly OpenPorts[]): PortMapping[] {
  return open.flatMap(({ binding, addresses, lease }) =>
    // without an address it is for all of both families
    (binding.hostAddress && !isUnspecified(binding.hostAddress) ? addresses : [undefined]).flatMap(
      (address) =>
        Array.from({ length: portRangeSize(lease.ports) }, (_, at) => ({
          hostPort: lease.ports.first + at,
          containerPort: binding.containerPort + at,
          protocol: binding.protocol,
          ...(address && { hostIP: formatAddress(address) }),
        })),
    ),
  );
}

/** What users are told. */
export function publishedOf(open: readonly OpenPorts[]): PublishedPort[] {
  return open.flatMap(({ binding, addresses, lease }) =>
    addresses.map((hostAddress) => {
      const count = portRangeSize(lease.ports);
      const { protocol, containerPort } = binding;
      return {
        protocol,
        containerPort,
        hostAddress,
        hostPort: lease.ports.first,
        ...(count > 1 && { count }),
      };
    }),
  );
}

const everyAddress: readonly Address[] = [
  { family: 4, value: 0n },
  { family: 6, value: 0n },
];

function requestOf({ binding: { protocol, hostPorts, count = 1 }, addresses }: Wish) {
  return {
    protocol,
    addresses,
    ...(hostPorts && { range: hostPorts }),
    ...(hostPorts && portRangeSize(hostPorts) === count && { whole: true }),
  };
}

/** Whether what is open serves a wish, so that a port that was chosen stays. */
function isFor(open: OpenPorts, { binding, addresses }: Wish): boolean {
  const { protocol, containerPort, hostPorts, count = 1 } = binding;
  const { ports } = open.lease;
  return (
    open.binding.protocol === protocol &&
    open.binding.containerPort === containerPort &&
    portRangeSize(ports) === count &&
    (!hostPorts || isWithin(ports, hostPorts)) &&
    open.addresses.map(formatAddress).join() === addresses.map(formatAddress).join()
  );
}

function isWithin({ first, last }: PortRange, outer: PortRange): boolean {
  return first >= outer.first && last <= outer.last;
}
