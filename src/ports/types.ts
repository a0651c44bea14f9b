// What a driver sees of the host's ports.

import type { ParkedSockets } from "../kernel/parked.ts";
import type { Address, PortRange, Protocol } from "../netip/index.ts";

export interface PortRequest {
  readonly protocol: Protocol;
  /** Every one of these must have the port free; 0.0.0.0 and :: stand for all addresses of their family. */
  readonly addresses: readonly Address[];
  /** Any one free port of this range; undefined: one of the host's ephemeral range. */
  readonly range?: PortRange;
  /** All ports of the range rather than any one. */
  readonly whole?: boolean;
}

/** Ports in a row, reserved on each address by a socket that is bound. */
export interface PortLease {
  readonly protocol: Protocol;
  /** As they were reserved. */
  readonly ports: PortRange;
  /** Bound, not listening sockets for what has not been released. The lease owns them. */
  readonly parked: readonly ParkedSockets[];
  /** Gives ports back, or all of them: their sockets close with the last copy. May be repeated. */
  release(part?: PortRange): void;
}

export interface Ports {
  /**
   * Reserves a lease per request, all or none, exact ports before ranges. Sockets that were handed to the daemon at its
   * start (`createPorts`) are taken before new ones are opened.
   * @throws conflict: `Bind for 0.0.0.0:8080 failed: port is already allocated` when another lease has it;
   * `failed to bind host port 0.0.0.0:8080/tcp: address already in use` when another process has it
   */
  reserve(requests: readonly PortRequest[]): Promise<PortLease[]>;
}

/** The ports as the daemon sees them. */
export interface OwnedPorts extends Ports {
  /** Closes what was handed over at the start and nobody has reserved: call it when everything has been restored. */
  sweep(): void;
}
