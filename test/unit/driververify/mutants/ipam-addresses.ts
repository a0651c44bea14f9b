// A mutant for each check of addresses, and of what an IPAM driver counts and shares.

import type { AddressRequest, PoolRequest } from "../../../../src/driverapi/index.ts";
import {
  type Address,
  addressPlus,
  firstAddress,
  formatAddress,
  lastAddress,
  type Prefix,
} from "../../../../src/netip/index.ts";
import { internal, invalid } from "../../../../src/util/errors.ts";
import { fixed4, type IpamMutation, known } from "../ipam-breaking.ts";

/** Another address. */
const addressed =
  (change: (leased: Prefix, request: AddressRequest) => Prefix): IpamMutation =>
  (driver) => ({
    requestAddress: async (request: AddressRequest) => change(await driver.requestAddress(request), request),
  });

/** An address that cannot be had is given all the same. */
const generous =
  (isGenerous: (request: AddressRequest) => boolean): IpamMutation =>
  (driver) => ({
    requestAddress: async (request: AddressRequest) => {
      try {
        return await driver.requestAddress(request);
      } catch (error) {
        if (!isGenerous(request)) throw error;
        return { address: request.address ?? fixed4.address, length: 24 };
      }
    },
  });

const refusingAddress =
  (isRefused: (request: AddressRequest) => boolean): IpamMutation =>
  (driver) => ({
    requestAddress: async (request: AddressRequest) => {
      if (isRefused(request)) throw invalid("refused by the mutant");
      return await driver.requestAddress(request);
    },
  });

const keptAddress: IpamMutation = () => ({ releaseAddress: async () => undefined });

const same4 = addressed(({ length }) => ({ address: addressPlus(fixed4.address, 1n << 12n), length }));

const sameOfPool =
  (number: bigint): IpamMutation =>
  (driver) => {
    const pools = new Map<string, Prefix>();
    return {
      requestPool: async (request: PoolRequest) => {
        const lease = await driver.requestPool(request);
        pools.set(lease.poolId, lease.pool);
        return lease;
      },
      requestAddress: async (request: AddressRequest) => {
        const own = await driver.requestAddress(request);
        const pool = pools.get(request.poolId);
        return request.address || !pool ? own : { ...own, address: addressPlus(pool.address, number) };
      },
    };
  };

/** Gives a special address of the pool once. */
const special =
  (choose: (pool: Prefix) => Address): IpamMutation =>
  (driver) => {
    const pools = new Map<string, Prefix>();
    return {
      requestPool: async (request: PoolRequest) => {
        const lease = await driver.requestPool(request);
        pools.set(lease.poolId, lease.pool);
        return lease;
      },
      requestAddress: async (request: AddressRequest) => {
        const pool = pools.get(request.poolId);
        pools.delete(request.poolId);
        return pool ? { address: choose(pool), length: pool.length } : await driver.requestAddress(request);
      },
    };
  };

const wrongKind: IpamMutation = (driver) => ({
  requestAddress: async (request: AddressRequest) => {
    try {
      return await driver.requestAddress(request);
    } catch {
      throw internal("no");
    }
  },
});

/** An address that an earlier call got is given to somebody else too. */
const forgetful =
  (isForgotten: (request: AddressRequest) => boolean): IpamMutation =>
  (driver) => ({
    requestAddress: async (request: AddressRequest) => {
      const own = await driver.requestAddress(request);
      if (isForgotten(request)) await driver.releaseAddress(request.poolId, own.address);
      return own;
    },
  });

const meetingAddress: IpamMutation = (driver) => {
  let last: Promise<Prefix> | undefined;
  return {
    requestAddress: (request: AddressRequest) => {
      last ??= driver.requestAddress(request);
      return last;
    },
  };
};

/** Another address than the one that was asked for. */
function sameOfPoolAsked(): IpamMutation {
  return addressed((own, { address }) => (address ? { ...own, address: addressPlus(address, 1n) } : own));
}

let asked = 0;

export const addressMutants: Readonly<Record<string, IpamMutation>> = {
  "addresses/inside": same4,
  "addresses/length": addressed(({ address }) => ({ address, length: 32 })),
  "addresses/ipv6": addressed((own) => (own.address.family === 6 ? { ...own, length: 128 } : own)),
  "addresses/differ": sameOfPool(5n),
  "addresses/ipv6-differ": sameOfPool(5n),
  "addresses/asked": sameOfPoolAsked(),
  "addresses/asked-twice": generous(({ address }) => address !== undefined),
  "addresses/asked-is-skipped": forgetful(({ address }) => address !== undefined),
  "addresses/outside": generous(({ address }) => address !== undefined),
  "addresses/other-family": generous(({ address }) => address?.family === 6),
  "addresses/network-address": special(firstAddress),
  "addresses/broadcast-address": special(lastAddress),
  "addresses/exhausted": wrongKind,
  "addresses/all": (driver) => {
    let count = 0;
    return {
      requestAddress: async (request: AddressRequest) => {
        if (++count > 8) throw invalid("eight are enough");
        return await driver.requestAddress(request);
      },
    };
  },
  "addresses/release": keptAddress,
  "addresses/release-when-full": keptAddress,
  "addresses/release-twice": (driver) => {
    const seen = new Set<string>();
    return {
      releaseAddress: async (id: string, address: Address) => {
        if (seen.has(formatAddress(address))) throw invalid("once is enough");
        seen.add(formatAddress(address));
        await driver.releaseAddress(id, address);
      },
    };
  },
  "addresses/release-unknown": (driver) => {
    const { ids, requestPool } = known(driver);
    return {
      requestPool,
      releaseAddress: async (id: string, address: Address) => {
        if (!ids.has(id)) throw invalid("unknown pool");
        await driver.releaseAddress(id, address);
      },
    };
  },
  "addresses/release-one": (driver) => ({
    releaseAddress: async (id: string, address: Address) => {
      await driver.releaseAddress(id, address);
      await driver.releaseAddress(id, addressPlus(address, 1n));
    },
  }),
  "addresses/unknown-pool": generous(({ poolId }) => poolId === "no such pool"),
  "addresses/released-pool": generous(() => true),
  "addresses/gateway": forgetful(({ purpose }) => purpose === "gateway"),
  "addresses/asked-gateway": refusingAddress(
    ({ purpose, address }) => purpose === "gateway" && address !== undefined,
  ),
  "addresses/auxiliary": forgetful(({ purpose }) => purpose === "auxiliary"),
  "addresses/range": (driver) => ({
    requestPool: ({ subPool: _subPool, ...request }: PoolRequest) => driver.requestPool(request),
  }),
  "addresses/outside-range": refusingAddress(({ address }) => ((address?.value ?? 0n) & 255n) === 200n),
  "addresses/pools-apart": (driver) => {
    let isFull = false;
    return {
      requestAddress: async (request: AddressRequest) => {
        if (isFull) throw invalid("full");
        try {
          return await driver.requestAddress(request);
        } catch (error) {
          isFull = true;
          throw error;
        }
      },
    };
  },
  "addresses/at-once": meetingAddress,
  "addresses/same-at-once": generous(({ address }) => address !== undefined),
  "addresses/replay": refusingAddress(({ onRecord }) => onRecord === true),
  "addresses/replay-is-leased": forgetful(({ onRecord }) => onRecord === true),
  "addresses/replay-release": keptAddress,
  "addresses/request-stays": (driver) => ({
    requestAddress: async (request: AddressRequest) => {
      const own = await driver.requestAddress(request);
      Reflect.set(request, "address", own.address);
      return own;
    },
  }),
  "addresses/fuzz": generous(({ address }) => address !== undefined),
  "usage/grows": () => ({ usage: async () => ({ inUse: 2n, available: 252n }) }),
  "usage/available": () => ({ usage: async () => ({ inUse: 2n, available: 252n }) }),
  "usage/changes-nothing": (driver) => ({
    usage: async (poolId: string) => {
      await driver.requestAddress({ poolId, purpose: "endpoint" });
      return await driver.usage(poolId);
    },
  }),
  "usage/losses": () => ({ followLosses: () => undefined }),
  "usage/share": (driver) => {
    let count = 0;
    return {
      ...driver,
      shareAddress: async () => {
        if (++count > 1) throw invalid("once is enough");
      },
    };
  },

  // of drivers whose addresses are single
  "addresses/single": addressed(({ address }) => ({ address, length: 24 })),
  "addresses/all-single": refusingAddress(({ poolId }) => poolId.endsWith("/28") && ++asked % 16 === 0),
};
