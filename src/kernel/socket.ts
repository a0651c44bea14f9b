// Sockets bound in any network namespace. They stay there; the descriptor is used like any other: `dgram` and `net`
// take it as `{ fd }`, a unix socket hands it to another process (fd-channel.ts).

import { addon, type Binding, bindOption } from "../../native/index.ts";
import {
  type Address,
  addressBytes,
  addressFromBytes,
  formatAddress,
  type Protocol,
  protocolNumber,
} from "../netip/index.ts";
import { kernelError } from "./errors.ts";

/** A socket to open and bind. */
export interface SocketSpec {
  /** Path of a namespace file; undefined = the process's own. */
  readonly netns?: string;
  readonly protocol: Protocol;
  /** :: binds IPv6 alone, unless `dualStack`. */
  readonly address: Address;
  /** 0 = any free one; see `socketAddress`. */
  readonly port: number;
  /** Length of the accept queue; absent = do not listen. A bound TCP socket that does not listen reserves its port. */
  readonly listen?: number;
  /**
   * Take a port whose connections are in TIME_WAIT. Two sockets that both have it and do not listen may share a port,
   * so it is no good for reserving one.
   */
  readonly reuseAddress?: boolean;
  /** Like `reuseAddress`, and only when the port cannot be had otherwise. */
  readonly overTimeWait?: boolean;
  readonly reusePort?: boolean;
  /** `::` hears IPv4 too. */
  readonly dualStack?: boolean;
  /** Bind to an address that is not there (yet). */
  readonly freeBind?: boolean;
  /** UDP: received packets tell the address they were sent to (IP_PKTINFO). */
  readonly packetInfo?: boolean;
  /** IP_TRANSPARENT. */
  readonly transparent?: boolean;
  /** Index of the link, for link-local IPv6 addresses. */
  readonly link?: number;
  /** Default: non-blocking, as Node wants it. */
  readonly blocking?: boolean;
}

/** Opens and binds a socket; the caller owns the fd. Rejects with KernelError: EADDRINUSE, EADDRNOTAVAIL, EMFILE, … */
export async function bindSocket(spec: SocketSpec): Promise<number> {
  const [fd] = await bindSockets([spec]);
  if (fd === undefined) throw new Error(`bind ${socketWords(spec)}: no descriptor`);
  return fd;
}

/** Binds all or none, thousands in one call; rejects with the first failure, which names its address and port. */
export async function bindSockets(specs: readonly SocketSpec[]): Promise<number[]> {
  return allOrNone(await tryBindSockets(specs));
}

/** Binds what can be bound: an fd or a KernelError for each, in order. */
export async function tryBindSockets(specs: readonly SocketSpec[]): Promise<(number | Error)[]> {
  return inWords(specs, await addon().socketsBind(specs.map(bindingOf)));
}

/** Like `bindSockets`, at once and on the calling thread, for the process's own namespace: throws for another one. */
export function bindSocketsNow(specs: readonly SocketSpec[]): number[] {
  return allOrNone(inWords(specs, addon().socketsBindNow(specs.map(bindingOf))));
}

/** Closes a descriptor from this module or fd-channel.ts. Not for those that a Node stream or socket took over. */
export function closeFd(fd: number): void {
  addon().fdClose(fd);
}

/** Where a socket is bound: the way to learn a port that the kernel chose. */
export function socketAddress(fd: number): { readonly address: Address; readonly port: number } {
  const { address, port } = addon().socketAddress(fd);
  return { address: addressFromBytes(address), port };
}

/** SOCK_STREAM and SOCK_DGRAM. */
export const sockType = { tcp: 1, udp: 2, sctp: 1 } as const satisfies Record<Protocol, number>;

/** The bits of what is asked for. */
export function bindOptions(asked: Partial<Record<keyof typeof bindOption, boolean>>): number {
  return Object.entries(bindOption)
    .filter(([name]) => asked[name as keyof typeof bindOption])
    .reduce((bits, [, bit]) => bits | bit, 0);
}

function bindingOf(spec: SocketSpec): Binding {
  const options = bindOptions(spec);
  return {
    netns: spec.netns,
    type: sockType[spec.protocol],
    protocol: protocolNumber[spec.protocol],
    address: addressBytes(spec.address),
    port: spec.port,
    scope: spec.link ?? 0,
    backlog: spec.listen ?? -1,
    options,
  };
}

function inWords(specs: readonly SocketSpec[], outcomes: readonly (number | Error)[]): (number | Error)[] {
  return outcomes.map((outcome, at) => {
    const spec = specs[at];
    return typeof outcome === "number" || !spec ? outcome : kernelError(`bind ${socketWords(spec)}`, outcome);
  });
}

function allOrNone(outcomes: readonly (number | Error)[]): number[] {
  const fds = outcomes.filter((outcome) => typeof outcome === "number");
  const failure = outcomes.find((outcome) => typeof outcome !== "number");
  if (failure === undefined) return fds;
  for (const fd of fds) closeFd(fd);
  throw failure;
}

/** `[::1]:80/tcp`. */
export function socketWords({
  address,
  port,
  protocol,
}: Pick<SocketSpec, "address" | "port" | "protocol">): string {
  const shown = formatAddress(address);
  return `${address.family === 6 ? `[${shown}]` : shown}:${port}/${protocol}`;
}
