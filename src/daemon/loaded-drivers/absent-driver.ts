// A driver that networks on record have and that is not here: its package is broken, or nobody names it any more. They are
// listed, refuse containers with the reason, and can be removed.

import type { Capabilities, IpamCapabilities, IpamDriver, NetworkDriver } from "../../driverapi/index.ts";
import { unavailable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

interface Absence {
  readonly name: string;
  /** Asked for at each use. */
  readonly reason: () => string;
  readonly log: Log;
}

/** Refuses what makes something, and lets go of everything: what the driver made is its own to sweep when it is back. */
export function absentNetworkDriver(absence: Absence, capabilities: Capabilities): NetworkDriver {
  const refuse = async () => {
    throw missing(absence);
  };
  return {
    name: absence.name,
    capabilities,
    createNetwork: refuse,
    // of a container that goes on from before; a new one does not get past `join`
    createEndpoint: async (request) => request.interface,
    join: refuse,
    leave: async () => undefined,
    deleteEndpoint: async () => undefined,
    deleteNetwork: async ({ networkId }) => {
      absence.log.warn(
        { network: networkId, driver: absence.name },
        "a network went without its driver: what that made in the kernel stays until the driver is back",
      );
    },
  };
}

/** Agrees to what is on record, and hands out nothing new. */
export function absentIpamDriver(absence: Absence, capabilities: IpamCapabilities): IpamDriver {
  return {
    name: absence.name,
    // nothing can be leased again here; the driver itself is told when it is back
    capabilities: { ...capabilities, requiresRequestReplay: false },
    defaultAddressSpaces: async () => {
      throw missing(absence);
    },
    requestPool: async () => {
      throw missing(absence);
    },
    requestAddress: async () => {
      throw missing(absence);
    },
    releasePool: async () => undefined,
    releaseAddress: async () => undefined,
  };
}

function missing({ name, reason }: Absence): Error {
  return unavailable(`driver ${name} is not here: ${reason()}`);
}
