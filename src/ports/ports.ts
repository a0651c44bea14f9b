// Reserves host ports: asks the lease table first, then the kernel, by binding a socket for each address.

import { closeFd, type SocketSpec, tryBindSockets } from "../kernel/index.ts";
import { type Address, formatAddress, formatPortRange, type PortRange } from "../netip/index.ts";
import {
  conflict,
  EngineError,
  errorMessage,
  forbidden,
  hasCode,
  invalid,
  notImplemented,
} from "../util/errors.ts";
import { EphemeralPorts, portsOf } from "./candidates.ts";
import { LeaseTable } from "./lease-table.ts";
import type { PortLease, PortRequest, Ports } from "./types.ts";

/** The host's ports, seen from one network namespace (path of its file; undefined = the process's own). */
export function createPorts(options: { readonly netns?: string } = {}): Ports {
  return new HostPorts(options.netns);
}

/** A request on its way: the port that it is trying, and those that it may try. */
interface Attempt {
  readonly request: PortRequest;
  readonly candidates: Iterator<number>;
  /** Another process having the port is an error rather than a reason to try the next. */
  readonly isExact: boolean;
  port: number;
}

// A range is tried to its end. Of the ephemeral ports, of which there are 28,000, hundreds in a row are never taken.
const maxRounds = 1000;

class HostPorts implements Ports {
  readonly #netns: string | undefined;
  readonly #table = new LeaseTable();
  readonly #ephemeral: EphemeralPorts;

  constructor(netns: string | undefined) {
    this.#netns = netns;
    this.#ephemeral = new EphemeralPorts(netns);
  }

  async reserve(requests: readonly PortRequest[]): Promise<PortLease[]> {
    const leases = new Map<PortRequest, PortLease>();
    const attempts = await Promise.all(requests.map((request) => this.#attempt(request)));
    try {
      await this.#reserveAll(
        attempts.filter(({ isExact }) => isExact),
        leases,
      );
      await this.#reserveAll(
        attempts.filter(({ isExact }) => !isExact),
        leases,
      );
    } catch (error) {
      for (const lease of leases.values()) lease.release();
      throw error;
    }
    return requests.flatMap((request) => leases.get(request) ?? []);
  }

  async #attempt(request: PortRequest): Promise<Attempt> {
    const { protocol, range } = request;
    const isExact = range !== undefined && range.first === range.last;
    const candidates = range ? portsOf(range) : await this.#ephemeral.candidates(protocol);
    return { request, candidates, isExact, port: 0 };
  }

  /** Each round binds one candidate for every request that has none yet, all in one call. */
  async #reserveAll(attempts: readonly Attempt[], leases: Map<PortRequest, PortLease>): Promise<void> {
    let waiting = attempts;
    for (let round = 0; waiting.length > 0; round++) {
      if (round === maxRounds) throw exhausted(waiting[0]?.request);
      const chosen: Attempt[] = [];
      try {
        for (const attempt of waiting) {
          this.#choose(attempt);
          chosen.push(attempt);
        }
      } catch (error) {
        for (const attempt of chosen) this.#giveUp(attempt);
        throw error;
      }
      waiting = await this.#bind(chosen, leases);
    }
  }

  /** Takes the next candidate that no lease has. */
  #choose(attempt: Attempt): void {
    const { request, candidates, isExact } = attempt;
    for (let next = candidates.next(); !next.done; next = candidates.next()) {
      const taken = this.#table.conflictOf(request.protocol, request.addresses, next.value);
      if (taken && isExact)
        throw conflict(`Bind for ${formatAddress(taken)}:${next.value} failed: port is already allocated`);
      if (taken) continue;
      attempt.port = next.value;
      this.#table.add(request.protocol, request.addresses, next.value);
      return;
    }
    throw exhausted(request);
  }

  #giveUp({ request, port }: Attempt): void {
    this.#table.remove(request.protocol, request.addresses, port);
  }

  /** Turns attempts into leases; answers with those whose port somebody else has. */
  async #bind(attempts: readonly Attempt[], leases: Map<PortRequest, PortLease>): Promise<Attempt[]> {
    const outcomes = await this.#bindSockets(attempts);
    const waiting: Attempt[] = [];
    let failure: EngineError | undefined;
    for (const [at, attempt] of attempts.entries()) {
      const mine = outcomes[at] ?? [];
      const error = mine.find((outcome) => typeof outcome !== "number");
      const fds = mine.filter((outcome) => typeof outcome === "number");
      if (!error) leases.set(attempt.request, this.#lease(attempt, fds));
      else {
        for (const fd of fds) closeFd(fd);
        this.#giveUp(attempt);
        if (!attempt.isExact && hasCode(error, "EADDRINUSE")) waiting.push(attempt);
        else failure ??= bindError(attempt, mine.indexOf(error), error);
      }
    }
    if (failure) throw failure;
    return waiting;
  }

  async #bindSockets(attempts: readonly Attempt[]): Promise<(number | Error)[][]> {
    const specs = attempts.flatMap(({ request, port }) =>
      request.addresses.map((address) => this.#spec(request, address, port)),
    );
    const outcomes = await tryBindSockets(specs);
    await this.#retryOverTimeWait(specs, outcomes);
    let at = 0;
    return attempts.map(({ request }) => {
      const start = at;
      at += request.addresses.length;
      return outcomes.slice(start, at);
    });
  }

  /**
   * Connections that the forwarder has closed linger (TIME_WAIT) and keep their port from a plain bind. They give way to
   * SO_REUSEADDR, provided that their listener had it too (it is set before listen, not before bind: two bound sockets
   * that have it would share the port); a listener never gives way.
   */
  async #retryOverTimeWait(specs: readonly SocketSpec[], outcomes: (number | Error)[]): Promise<void> {
    const failed = specs
      .map((spec, at) => ({ spec, at }))
      .filter(({ spec, at }) => spec.protocol === "tcp" && hasCode(outcomes[at], "EADDRINUSE"));
    if (failed.length === 0) return;
    const again = await tryBindSockets(failed.map(({ spec }) => ({ ...spec, reuseAddress: true })));
    for (const [index, { at }] of failed.entries()) outcomes[at] = again[index] ?? new Error("no answer");
  }

  #spec({ protocol }: PortRequest, address: Address, port: number): SocketSpec {
    return {
      protocol,
      address,
      port,
      packetInfo: protocol === "udp",
      ...(this.#netns ? { netns: this.#netns } : {}),
    };
  }

  #lease({ request, port }: Attempt, fds: readonly number[]): PortLease {
    const { protocol, addresses, range } = request;
    if (!range) this.#ephemeral.found(protocol, port);
    const sockets = addresses.flatMap((address, at) => {
      const fd = fds[at];
      return fd === undefined ? [] : [{ address, fd }];
    });
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      this.#table.remove(protocol, addresses, port);
      for (const { fd } of sockets) closeFd(fd);
    };
    return { protocol, port, sockets, release };
  }
}

function exhausted(request: PortRequest | undefined): EngineError {
  const range = request?.range ? formatPortRange(request.range) : "0";
  const address = request?.addresses[0];
  return conflict(
    `Bind for ${address ? formatAddress(address) : ""}:${range} failed: all ports are allocated`,
  );
}

/** The kernel's refusal, in Docker's words. */
function bindError({ request, port }: Attempt, at: number, error: Error): EngineError {
  const address = request.addresses[at];
  const shown = address ? hostPort(address, { first: port, last: port }) : `${port}`;
  const doing = `failed to bind host port ${shown}/${request.protocol}`;
  if (hasCode(error, "EADDRINUSE")) return conflict(`${doing}: address already in use`, error);
  if (hasCode(error, "EADDRNOTAVAIL")) return invalid(`${doing}: cannot assign requested address`, error);
  if (hasCode(error, "EACCES", "EPERM")) return forbidden(`${doing}: permission denied`, error);
  if (hasCode(error, "EPROTONOSUPPORT", "ESOCKTNOSUPPORT") && request.protocol === "sctp")
    return notImplemented(`${doing}: this kernel has no SCTP sockets (CONFIG_IP_SCTP)`);
  return new EngineError("internal", `${doing}: ${errorMessage(error)}`, { cause: error });
}

function hostPort(address: Address, ports: PortRange): string {
  const text = formatAddress(address);
  return `${address.family === 6 ? `[${text}]` : text}:${formatPortRange(ports)}`;
}
