// The default IPAM driver: pools and addresses of this host, in memory. The controller's records are the only durable
// copy; after a start it repeats every lease. Nothing in here waits, so no two requests can meet.

import { createHash } from "node:crypto";
import type {
  AddressRequest,
  IpamDriver,
  IpamDriverFactory,
  PoolLease,
  PoolRequest,
} from "../../src/driverapi/index.ts";
import {
  type Address,
  formatPrefix,
  hasHostBits,
  isUnspecified,
  type Prefix,
  prefixCovers,
  prefixFamily,
} from "../../src/netip/index.ts";
import { forbidden, invalid, unavailable } from "../../src/util/errors.ts";
import { AddressSpace, type Pool } from "./address-space.ts";
import { type PoolSource, poolSources } from "./default-pools.ts";

export { poolSources } from "./default-pools.ts";

const spaces = { local: "LocalDefault", global: "GlobalDefault" } as const;

/** Docker's pools for networks that span hosts. */
const globalSources: readonly PoolSource[] = [
  { base: { address: { family: 4, value: 10n << 24n }, length: 8 }, size: 24 },
];

/** Builds the driver `default`. */
const createDefaultIpam: IpamDriverFactory = ({ defaultPools, hostId }) => {
  const bySpace = new Map([
    [spaces.local as string, new AddressSpace(poolSources(defaultPools, hostId ?? ""), hostId)],
    [spaces.global as string, new AddressSpace(globalSources)],
  ]);
  const pools = new Map<string, { readonly space: AddressSpace; readonly pool: Pool }>();

  return {
    name: "default",
    capabilities: { requiresMacAddress: false, requiresRequestReplay: true },
    defaultAddressSpaces: async () => spaces,

    async requestPool(request) {
      const space = bySpace.get(request.addressSpace);
      if (!space) throw invalid("invalid address space");
      const subnet = choosePool(space, request);
      const pool = space.allocate(subnet, request.subPool, request.networkName);
      const poolId = [
        request.addressSpace,
        formatPrefix(subnet),
        request.subPool && formatPrefix(request.subPool),
      ]
        .filter((part) => part !== undefined)
        .join("/");
      pools.set(poolId, { space, pool });
      return { poolId, pool: subnet } satisfies PoolLease;
    },

    async releasePool(poolId) {
      const found = pools.get(poolId);
      pools.delete(poolId);
      found?.space.release(found.pool);
    },

    async requestAddress(request) {
      const found = pools.get(request.poolId);
      if (!found) throw invalid("address space does not contain specified address pool");
      return { address: takeAddress(found.pool, request), length: found.pool.subnet.length };
    },

    async releaseAddress(poolId, address) {
      pools.get(poolId)?.pool.addresses.release(address);
    },

    async usage(poolId) {
      const found = pools.get(poolId);
      return found ? found.pool.addresses.usage(found.pool.range) : { inUse: 0n, available: 0n };
    },
  } satisfies IpamDriver;
};

export default createDefaultIpam;

/** A short name for this host that stays: what machine-id(5) recommends, so that the id itself is not given away. */
export function hostIdFrom(machineId: string): string {
  return createHash("sha256").update(`tsdocker ${machineId}`).digest("hex");
}

function choosePool(space: AddressSpace, request: PoolRequest): Prefix {
  const { pool, subPool, family, exclude } = request;
  if (!pool) {
    if (subPool) throw invalid("invalid address subpool");
    return space.choose({ family, exclude });
  }
  if (prefixFamily(pool) !== family || pool.length === 0 || hasHostBits(pool))
    throw invalid("invalid address pool");
  if (subPool && !prefixCovers(pool, subPool)) throw invalid("invalid address subpool");
  // Docker 29: an unspecified address with a length asks for any subnet of that size
  return isUnspecified(pool.address) ? space.choose({ family, exclude, size: pool.length }) : pool;
}

function takeAddress({ addresses, range }: Pool, { address }: AddressRequest): Address {
  if (!address) {
    const chosen = addresses.takeNext(range);
    if (!chosen) throw unavailable("no available addresses on this pool");
    return chosen;
  }
  if (!addresses.isUsable(address)) throw invalid("requested address is out of range");
  if (!addresses.take(address)) throw forbidden("Address already in use");
  return address;
}
