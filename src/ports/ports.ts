// Reserves host ports: asks the lease table first, then the kernel, by binding a socket for each address and port.

import { closeFd, type ParkedSockets, type ParkFailure, parkSockets } from "../kernel/index.ts";
import {
  type Address,
  formatAddress,
  formatPortRange,
  type PortRange,
  type Protocol,
  portsWithout,
} from "../netip/index.ts";
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
import { HeldSockets } from "./held-sockets.ts";
import { openLease } from "./lease.ts";
import { LeaseTable } from "./lease-table.ts";
import type { OwnedPorts, PortLease, PortRequest } from "./types.ts";

export interface PortsOptions {
  /** Path of the file of the host's network namespace; undefined = the process's own. */
  readonly netns?: string;
  /** Sockets of an earlier daemon, as the proxy kept them (`ProxyHandle.heldSockets`); they are ours from here on. */
  readonly held?: readonly ParkedSockets[];
}

/** The host's ports, seen from one network namespace. */
export function createPorts(options: PortsOptions = {}): OwnedPorts {
  return new HostPorts(options);
}

/** A request on its way: the ports that it is trying, and those that it may try. */
interface Attempt {
  readonly request: PortRequest;
  readonly candidates: Iterator<PortRange>;
  /** Another process having the port is an error rather than a reason to try the next. */
  readonly isExact: boolean;
  ports: PortRange;
}

// A range is tried to its end. Of the ephemeral ports, of which there are 28,000, hundreds in a row are never taken.
const maxRounds = 1000;

class HostPorts implements OwnedPorts {
  readonly #netns: string | undefined;
  readonly #table = new LeaseTable();
  readonly #ephemeral: EphemeralPorts;
  readonly #held: HeldSockets;

  constructor({ netns, held = [] }: PortsOptions) {
    this.#netns = netns;
    this.#ephemeral = new EphemeralPorts(netns);
    this.#held = new HeldSockets(held);
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

  sweep(): void {
    this.#held.closeAll();
  }

  async #attempt(request: PortRequest): Promise<Attempt> {
    const { protocol, range, whole } = request;
    const isExact = range !== undefined && (whole === true || range.first === range.last);
    const singles = range ? portsOf(range) : await this.#ephemeral.candidates(protocol);
    const candidates = isExact ? [range].values() : oneByOne(singles);
    return { request, candidates, isExact, ports: { first: 0, last: 0 } };
  }

  /** Each round binds one candidate for every request that has none yet, all side by side. */
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
        throw conflict(
          `Bind for ${formatAddress(taken.address)}:${taken.port} failed: port is already allocated`,
        );
      if (taken) continue;
      attempt.ports = next.value;
      this.#table.add(request.protocol, request.addresses, next.value);
      return;
    }
    throw exhausted(request);
  }

  #giveUp({ request, ports }: Attempt): void {
    this.#table.remove(request.protocol, request.addresses, ports);
  }

  /** Turns attempts into leases; answers with those whose port somebody else has. */
  async #bind(attempts: readonly Attempt[], leases: Map<PortRequest, PortLease>): Promise<Attempt[]> {
    const outcomes = await Promise.all(attempts.map((attempt) => this.#park(attempt)));
    const waiting: Attempt[] = [];
    let failure: EngineError | undefined;
    for (const [at, attempt] of attempts.entries()) {
      const outcome = outcomes[at];
      if (outcome && !("error" in outcome)) leases.set(attempt.request, this.#lease(attempt, outcome));
      else if (outcome) {
        this.#giveUp(attempt);
        if (!attempt.isExact && hasCode(outcome.error, "EADDRINUSE")) waiting.push(attempt);
        else failure ??= bindError(attempt.request.protocol, outcome);
      }
    }
    if (failure) throw failure;
    return waiting;
  }

  /** Sockets for all its ports: those that an earlier daemon left, and new ones for the rest. */
  async #park({ request, ports }: Attempt): Promise<ParkedSockets[] | ParkFailure> {
    const { protocol, addresses } = request;
    const parked = this.#held.take(protocol, addresses, ports);
    const missing = portsWithout(
      [ports],
      parked.map((batch) => batch.ports),
    );
    const spec = { netns: this.#netns, protocol, addresses };
    for (const part of missing) {
      const outcome = await parkSockets({ ...spec, ports: part });
      if (!("error" in outcome)) parked.push(...outcome);
      else {
        for (const { fd } of parked) closeFd(fd);
        return outcome;
      }
    }
    return parked.sort((a, b) => a.ports.first - b.ports.first);
  }

  #lease({ request, ports }: Attempt, parked: readonly ParkedSockets[]): PortLease {
    const { protocol, addresses, range } = request;
    if (!range) this.#ephemeral.found(protocol, ports.first);
    const released = (part: PortRange) => this.#table.remove(protocol, addresses, part);
    return openLease({ protocol, ports, parked, released });
  }
}

function* oneByOne(ports: Iterable<number>): Generator<PortRange> {
  for (const port of ports) yield { first: port, last: port };
}

function exhausted(request: PortRequest | undefined): EngineError {
  const range = request?.range ? formatPortRange(request.range) : "0";
  const address = request?.addresses[0];
  return conflict(
    `Bind for ${address ? formatAddress(address) : ""}:${range} failed: all ports are allocated`,
  );
}

/** The kernel's refusal, in Docker's words. */
function bindError(protocol: Protocol, { error, address, port }: ParkFailure): EngineError {
  const doing = `failed to bind host port ${hostPort(address, port)}/${protocol}`;
  if (hasCode(error, "EADDRINUSE")) return conflict(`${doing}: address already in use`, error);
  if (hasCode(error, "EADDRNOTAVAIL")) return invalid(`${doing}: cannot assign requested address`, error);
  if (hasCode(error, "EACCES", "EPERM")) return forbidden(`${doing}: permission denied`, error);
  if (hasCode(error, "EPROTONOSUPPORT", "ESOCKTNOSUPPORT") && protocol === "sctp")
    return notImplemented(`${doing}: this kernel has no SCTP sockets (CONFIG_IP_SCTP)`);
  return new EngineError("internal", `${doing}: ${errorMessage(error)}`, { cause: error });
}

function hostPort(address: Address, port: number): string {
  const text = formatAddress(address);
  return `${address.family === 6 ? `[${text}]` : text}:${port}`;
}
