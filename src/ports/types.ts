// What a driver sees of the host's ports.

import type { Address, PortRange, Protocol } from "../netip/index.ts";

export interface PortRequest {
  readonly protocol: Protocol;
  /** Every one of these must have the port free; 0.0.0.0 and :: stand for all addresses of their family. */
  readonly addresses: readonly Address[];
  /** Any one free port of this range; undefined: one of the host's ephemeral range. */
  readonly range?: PortRange;
}

/** One port, reserved on each address by a socket that is bound. */
export interface PortLease {
  readonly protocol: Protocol;
  readonly port: number;
  /** A bound, not listening, socket per address. The lease owns the descriptors. */
  readonly sockets: readonly { readonly address: Address; readonly fd: number }[];
  /** Closes the sockets. May be called twice. */
  release(): void;
}

export interface Ports {
  /**
   * Reserves one port per request, all or none, exact ports before ranges.
   * @throws conflict: `Bind for 0.0.0.0:8080 failed: port is already allocated` when another lease has it;
   * `failed to bind host port 0.0.0.0:8080/tcp: address already in use` when another process has it
   */
  reserve(requests: readonly PortRequest[]): Promise<PortLease[]>;
}
