// The forwarding thread: connections and datagrams moved between sockets outside JavaScript (splice(2), recvmmsg(2)).

import { type ForwarderCounters, spliceAddon } from "../../native/splice.ts";
import {
  type Address,
  addressBytes,
  formatAddress,
  formatPortRange,
  type PortRange,
  portRangeSize,
  protocolNumber,
} from "../netip/index.ts";
import { sayingNow } from "./errors.ts";
import { type ParkedSockets, placeOf } from "./parked.ts";

export type { ForwarderCounters };

export interface ForwardingOptions {
  /** Path of the namespace in which targets are connected to; undefined = the process's own. */
  readonly netns?: string | undefined;
  /** Connections and flows at a time, in all and of one port; 0 = as many as there are descriptors. */
  readonly connections?: number;
  readonly connectionsEach?: number;
  /** A udp flow ends when nothing passed for as long. */
  readonly idleMs: number;
}

/** Ports in a row, and where their connections go. */
export interface ForwardSpec {
  /** Holds the sockets; the caller keeps it for as long as they are forwarded. */
  readonly parked: ParkedSockets;
  readonly listen: Address;
  readonly ports: PortRange;
  readonly target: Address;
  /** Of the first port; the others follow. */
  readonly targetPort: number;
}

/** One thread for any number of ports. */
export interface ForwardingThread extends Disposable {
  /**
   * Serves ports from now on: listens (tcp, sctp) and takes a drop-all filter off the sockets. Throws KernelError
   * (EADDRINUSE: somebody else listens there); then it serves none.
   */
  add(id: number, spec: ForwardSpec): void;
  /** Ends ports and their connections; a socket that somebody else holds too stays bound but listens no more. */
  remove(rows: readonly ForwardedPorts[]): void;
  /** The ports' sockets are held by another batch from now on; the one before may be closed. */
  repark(row: ForwardedPorts, spec: Pick<ForwardSpec, "parked" | "listen" | "ports">): void;
  counters(): ForwarderCounters;
  /** Idempotent; the others throw afterwards. */
  close(): void;
}

/** Some of the ports that were added by an id: `count` from the `first`th on. */
export interface ForwardedPorts {
  readonly id: number;
  readonly first: number;
  readonly count: number;
}

/** Starts the thread. Throws KernelError: ENOENT for a netns that is not there. */
export function startForwarding(options: ForwardingOptions): ForwardingThread {
  const native = spliceAddon();
  const { netns, connections = 0, connectionsEach = 0, idleMs } = options;
  const handle = sayingNow("start forwarding", () =>
    native.forwarderStart(netns, connections, connectionsEach, idleMs),
  );
  return {
    add: (id, { parked, listen, ports, target, targetPort }) => {
      const { skip, stride } = placeIn(parked, listen, ports);
      const to = [protocolNumber[parked.protocol], addressBytes(target), targetPort] as const;
      sayingNow("forward", () =>
        native.forwarderAdd(handle, id, parked.fd, skip, stride, portRangeSize(ports), ...to),
      );
    },
    remove: (rows) =>
      native.forwarderRemove(
        handle,
        rows.flatMap(({ id, first, count }) => [id, first, count]),
      ),
    repark: ({ id, first, count }, { parked, listen, ports }) => {
      const { skip, stride } = placeIn(parked, listen, ports);
      native.forwarderRepark(handle, id, first, count, parked.fd, skip, stride);
    },
    counters: () => native.forwarderCounters(handle),
    close: () => native.forwarderStop(handle),
    [Symbol.dispose]: () => native.forwarderStop(handle),
  };
}

function placeIn(parked: ParkedSockets, listen: Address, ports: PortRange) {
  const place = placeOf(parked, listen, ports.first);
  if (!place || ports.last > parked.ports.last)
    throw new RangeError(`forward ${formatAddress(listen)}:${formatPortRange(ports)}: no socket for it`);
  return place;
}
