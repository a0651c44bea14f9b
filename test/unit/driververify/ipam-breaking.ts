// Drivers of addresses that keep every rule, and ways to break one in one place.

import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import { createLanIpam, traits as lanTraits } from "../../../examples/lan-driver/ipam.ts";
import type { Notes } from "../../../examples/lan-driver/notes.ts";
import { traits as singleTraits } from "../../../examples/point-to-point/index.ts";
import { createIpam } from "../../../examples/point-to-point/ipam.ts";
import type { DriverTraits, IpamDriver, PoolRequest } from "../../../src/driverapi/index.ts";
import { type Prefix, parsePrefix } from "../../../src/netip/index.ts";

/** A driver, and what it is by nature. */
export interface IpamBase {
  readonly traits: DriverTraits;
  readonly create: () => Whole;
}

/** The default driver, with what drivers of a cluster have besides, doing nothing. */
export const wholeIpam: IpamBase = {
  traits: {},
  create: () =>
    ({
      ...createDefaultIpam({ defaultPools: [], hostId: "mutants" }),
      sweep: async () => undefined,
      followLosses: () => () => undefined,
      shareAddress: async () => undefined,
      unshareAddress: async () => undefined,
    }) as Whole,
};

/** Single addresses of pools that users name: an example of ours. */
export const singleIpam: IpamBase = {
  traits: singleTraits,
  create: () => createIpam({ defaultPools: [] }) as Whole,
};

/** Addresses of somebody else's LAN: the other one. */
export const lanIpam: IpamBase = {
  traits: lanTraits,
  create: () => createLanIpam(memory()) as Whole,
};

export type Whole = Required<Pick<IpamDriver, "usage">> & IpamDriver;
/** Members in place of the driver's; made anew for each instance. */
export type IpamMutation = (driver: Whole) => object;

function memory<T>(): Notes<T> {
  const notes = new Map<string, T>();
  return {
    get: (key) => notes.get(key),
    set: async (key, value) => void notes.set(key, value),
    delete: async (key) => void notes.delete(key),
  };
}

export const fixed4 = parsePrefix("198.18.1.0/24") as Prefix;

/** Another lease. */
export const leased =
  (
    change: (lease: Awaited<ReturnType<Whole["requestPool"]>>, request: PoolRequest) => object,
  ): IpamMutation =>
  (driver) => ({
    requestPool: async (request: PoolRequest) => {
      const lease = await driver.requestPool(request);
      return { ...lease, ...change(lease, request) };
    },
  });

/** Whatever is not known to be of a pool that is leased. */
export const known = (driver: Whole) => {
  const ids = new Set<string>();
  return {
    ids,
    requestPool: async (request: PoolRequest) => {
      const lease = await driver.requestPool(request);
      ids.add(lease.poolId);
      return lease;
    },
  };
};
