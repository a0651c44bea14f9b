// Sockets parked in flight (native/parked.cc): bound, and reserving their ports, at one descriptor for up to 250 of them
// and none in any table for the rest.

import { addon, type Binding } from "../../native/index.ts";
import {
  type Address,
  addressBytes,
  formatAddress,
  type PortRange,
  type Protocol,
  portRangeSize,
  protocolNumber,
} from "../netip/index.ts";
import { kernelError, sayingNow } from "./errors.ts";
import { bindOptions, closeFd, socketWords, sockType } from "./socket.ts";

/** A batch: the sockets of ports in a row, each port at each of the addresses. */
export interface ParkedSockets {
  readonly protocol: Protocol;
  readonly addresses: readonly Address[];
  readonly ports: PortRange;
  /**
   * Keeps them open; the owner closes it with `closeFd`. A copy that another process was sent (fd-channel.ts) keeps
   * the same sockets open.
   */
  readonly fd: number;
}

/** What to bind: every port at every address, not listening. */
export interface ParkSpec {
  /** Path of a namespace file; undefined = the process's own. */
  readonly netns?: string | undefined;
  readonly protocol: Protocol;
  readonly addresses: readonly Address[];
  readonly ports: PortRange;
}

/** The first socket that the kernel refused. */
export interface ParkFailure {
  readonly error: Error;
  readonly address: Address;
  readonly port: number;
}

/** Most sockets of a batch (SCM_MAX_FD is 253). */
const mostParked = 250;

/**
 * Binds all or none; the batches come in the order of their ports. A TCP port whose connections linger in TIME_WAIT is
 * had. Udp sockets let nothing in until `ForwardingThread.add`.
 */
export async function parkSockets(spec: ParkSpec): Promise<ParkedSockets[] | ParkFailure> {
  const { protocol, addresses, ports } = spec;
  const { fds, error, port, address } = await addon().socketsPark(
    bindingOf(spec),
    addresses.map(addressBytes),
    ports.last,
  );
  if (error) {
    const refused = { address: addresses[address ?? 0] ?? { family: 4, value: 0n }, port: port ?? 0 };
    return { ...refused, error: kernelError(`bind ${socketWords({ ...refused, protocol })}`, error) };
  }
  const portsEach = Math.floor(mostParked / addresses.length);
  return fds.map((fd, at) => {
    const first = ports.first + at * portsEach;
    return { protocol, addresses, ports: { first, last: Math.min(ports.last, first + portsEach - 1) }, fd };
  });
}

/** A batch of the sockets of some of the ports; they are the same sockets, and the batch that is there stays. */
export function sliceParked(parked: ParkedSockets, ports: PortRange): ParkedSockets {
  return sayingNow("park sockets", () => {
    const { addresses } = parked;
    const copies = addon().fdsParked(parked.fd);
    try {
      const start = (ports.first - parked.ports.first) * addresses.length;
      const fd = addon().fdsPark(copies.slice(start, start + portRangeSize(ports) * addresses.length));
      return { ...parked, ports, fd };
    } finally {
      for (const copy of copies) closeFd(copy);
    }
  });
}

/** Parks one socket that is bound already; the caller keeps its own descriptor. */
export function parkSocket(fd: number, spec: Omit<ParkedSockets, "fd">): ParkedSockets {
  return { ...spec, fd: sayingNow("park socket", () => addon().fdsPark([fd])) };
}

/** Copies of a batch's sockets, port by port and in the order of the addresses; the caller closes them. */
export function parkedFds(parked: ParkedSockets): number[] {
  return sayingNow("look into parked sockets", () => addon().fdsParked(parked.fd));
}

/** Where the sockets of one address lie in the batch: every `stride`th from `skip` on. Undefined: not in it. */
export function placeOf(
  { addresses, ports }: Pick<ParkedSockets, "addresses" | "ports">,
  address: Address,
  port: number,
): { readonly skip: number; readonly stride: number } | undefined {
  const at = addresses.findIndex(({ family, value }) => family === address.family && value === address.value);
  if (at < 0 || port < ports.first || port > ports.last) return undefined;
  return { skip: (port - ports.first) * addresses.length + at, stride: addresses.length };
}

/** A text that two batches share when they hold the same. */
export function parkedKey({ protocol, addresses, ports }: Omit<ParkedSockets, "fd">): string {
  return `${protocol} ${addresses.map(formatAddress).join(",")} ${ports.first}-${ports.last}`;
}

function bindingOf({ netns, protocol, ports }: ParkSpec): Binding {
  return {
    netns,
    type: sockType[protocol],
    protocol: protocolNumber[protocol],
    address: new Uint8Array(), // comes beside
    port: ports.first,
    scope: 0,
    backlog: -1,
    options: bindOptions({ overTimeWait: protocol !== "udp", packetInfo: protocol === "udp" }),
  };
}
