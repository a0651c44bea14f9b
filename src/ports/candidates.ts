// Which ports a request may get, in the order in which they are tried.

import { readSysctl, unless } from "../kernel/index.ts";
import { type PortRange, type Protocol, parsePortRange } from "../netip/index.ts";

/** Docker's, where the kernel does not tell. */
const fallbackRange: PortRange = { first: 49153, last: 65535 };

/** Ports of the host's ephemeral range without the reserved ones, going on behind the one that was found last. */
export class EphemeralPorts {
  readonly #netns: string | undefined;
  readonly #last = new Map<Protocol, number>();

  constructor(netns: string | undefined) {
    this.#netns = netns;
  }

  /** Every candidate once. */
  async candidates(protocol: Protocol): Promise<Generator<number>> {
    const [range, reserved] = await Promise.all([this.#range(), this.#reserved()]);
    return rotated(range, this.#last.get(protocol) ?? range.first - 1, reserved);
  }

  /** Notes that a port was found. */
  found(protocol: Protocol, port: number): void {
    this.#last.set(protocol, port);
  }

  async #range(): Promise<PortRange> {
    const text = await unless(["ENOENT"], readSysctl("net.ipv4.ip_local_port_range", this.#netns));
    return parsePortRange(text?.trim().replace(/\s+/, "-") ?? "") ?? fallbackRange;
  }

  async #reserved(): Promise<readonly PortRange[]> {
    const text = await unless(["ENOENT"], readSysctl("net.ipv4.ip_local_reserved_ports", this.#netns));
    return (text ?? "").split(",").flatMap((part) => parsePortRange(part.trim()) ?? []);
  }
}

/** The ports of a range, lowest first. */
export function* portsOf({ first, last }: PortRange): Generator<number> {
  for (let port = first; port <= last; port++) yield port;
}

/** The ports of a range from the one behind `last` on and round to it, without the reserved ones. */
export function* rotated(range: PortRange, last: number, reserved: readonly PortRange[]): Generator<number> {
  const start = last >= range.first && last < range.last ? last + 1 : range.first;
  for (const part of [
    { first: start, last: range.last },
    { first: range.first, last: start - 1 },
  ])
    for (const port of portsOf(part))
      if (!reserved.some(({ first, last }) => port >= first && port <= last)) yield port;
}
