// A lease: ports in a row and the sockets that keep them.

import { closeFd, type ParkedSockets, sliceParked } from "../kernel/index.ts";
import { commonPorts, type PortRange, type Protocol, portsWithout } from "../netip/index.ts";
import type { PortLease } from "./types.ts";

interface LeaseParts {
  readonly protocol: Protocol;
  readonly ports: PortRange;
  /** Become the lease's. */
  readonly parked: readonly ParkedSockets[];
  /** Hears of each range that is given back. */
  readonly released: (part: PortRange) => void;
}

/** A lease that holds until its last port is released. */
export function openLease({ protocol, ports, parked, released }: LeaseParts): PortLease {
  let batches = parked;
  let left: readonly PortRange[] = [ports];
  const release = (part: PortRange = ports) => {
    for (const range of left) {
      const gone = commonPorts(range, part);
      if (gone) released(gone);
    }
    left = portsWithout(left, [part]);
    batches = batches.flatMap((batch) => shrink(batch, part));
  };
  return {
    protocol,
    ports,
    get parked() {
      return batches;
    },
    release,
  };
}

/** The batch without some of its ports. */
function shrink(batch: ParkedSockets, gone: PortRange): ParkedSockets[] {
  if (!commonPorts(batch.ports, gone)) return [batch];
  const kept = portsWithout([batch.ports], [gone]).map((part) => sliceParked(batch, part));
  closeFd(batch.fd);
  return kept;
}
