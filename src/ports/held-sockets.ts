// Sockets from before the daemon's start, kept by the proxy meanwhile, until whoever had them reserves again.

import { closeFd, type ParkedSockets, sliceParked } from "../kernel/index.ts";
import {
  type Address,
  commonPorts,
  formatAddress,
  type PortRange,
  type Protocol,
  portsWithout,
} from "../netip/index.ts";

/** Owns the batches until they are taken. */
export class HeldSockets {
  #batches: ParkedSockets[];

  constructor(batches: readonly ParkedSockets[]) {
    this.#batches = [...batches];
  }

  /** What of the ports is held for just these addresses; it is the caller's now. */
  take(protocol: Protocol, addresses: readonly Address[], ports: PortRange): ParkedSockets[] {
    const shape = shapeOf({ protocol, addresses });
    const taken: ParkedSockets[] = [];
    const left: ParkedSockets[] = [];
    for (const batch of this.#batches) {
      const common = commonPorts(batch.ports, ports);
      if (!common || shapeOf(batch) !== shape) {
        left.push(batch);
        continue;
      }
      const rest = portsWithout([batch.ports], [common]);
      if (rest.length === 0) taken.push(batch);
      else {
        taken.push(sliceParked(batch, common));
        left.push(...rest.map((part) => sliceParked(batch, part)));
        closeFd(batch.fd);
      }
    }
    this.#batches = left;
    return taken;
  }

  closeAll(): void {
    for (const { fd } of this.#batches.splice(0)) closeFd(fd);
  }
}

function shapeOf({ protocol, addresses }: Pick<ParkedSockets, "protocol" | "addresses">): string {
  return `${protocol} ${addresses.map(formatAddress).join(",")}`;
}
