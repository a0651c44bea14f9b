// A mutant for each check of IPAM drivers.

import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import type { AddressRequest, IpamDriver, PoolRequest } from "../../../src/driverapi/index.ts";
import {
  type Address,
  addressPlus,
  firstAddress,
  formatAddress,
  hasHostBits,
  lastAddress,
  type Prefix,
  parsePrefix,
} from "../../../src/netip/index.ts";
import { internal, invalid } from "../../../src/util/errors.ts";

/** The default driver, with what drivers of a cluster have besides, doing nothing. */
export function wholeIpam(): Required<Pick<IpamDriver, "usage">> & IpamDriver {
  return {
    ...createDefaultIpam({ defaultPools: [], hostId: "mutants" }),
    sweep: async () => undefined,
    followLosses: () => () => undefined,
    shareAddress: async () => undefined,
    unshareAddress: async () => undefined,
  } as Required<Pick<IpamDriver, "usage">> & IpamDriver;
}

type Whole = ReturnType<typeof wholeIpam>;
/** Members in place of the driver's; made anew for each instance. */
export type IpamMutation = (driver: Whole) => object;

const fixed4 = parsePrefix("198.18.1.0/24") as Prefix;
const fixed6 = parsePrefix("2001:db8:1:1::/64") as Prefix;
const bits = parsePrefix("198.18.1.7/24") as Prefix;
let counter = 0;

const capable =
  (change: object): IpamMutation =>
  (driver) => ({ capabilities: { ...driver.capabilities, ...change } });

/** Another lease. */
const leased =
  (
    change: (lease: Awaited<ReturnType<Whole["requestPool"]>>, request: PoolRequest) => object,
  ): IpamMutation =>
  (driver) => ({
    requestPool: async (request: PoolRequest) => {
      const lease = await driver.requestPool(request);
      return { ...lease, ...change(lease, request) };
    },
  });

/** Forgets that some pools are leased: they are given to whoever asks. */
const lenient =
  (isLenient: (request: PoolRequest) => boolean): IpamMutation =>
  (driver) => ({
    requestPool: async (request: PoolRequest) => {
      try {
        return await driver.requestPool(request);
      } catch (error) {
        if (!isLenient(request) || !request.pool) throw error;
        return { poolId: "lenient", pool: request.pool };
      }
    },
  });

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

const firstOnly =
  (method: "releasePool"): IpamMutation =>
  (driver) => {
    const seen = new Set<string>();
    return {
      [method]: async (id: string) => {
        if (seen.has(id)) throw invalid("once is enough");
        seen.add(id);
        await driver[method](id);
      },
    };
  };

/** Whatever is not known to be of a pool that is leased. */
const known = (driver: Whole) => {
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

const kept: IpamMutation = () => ({ releasePool: async () => undefined });
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

/** What a pool is leased to at once is leased to both. */
const meetingPool: IpamMutation = (driver) => {
  let running = 0;
  return {
    requestPool: async (request: PoolRequest) => {
      if (running++ > 0) return { poolId: `met${++counter}`, pool: request.pool ?? fixed4 };
      try {
        return await driver.requestPool(request);
      } finally {
        running = 0;
      }
    },
  };
};

const meetingAddress: IpamMutation = (driver) => {
  let last: Promise<Prefix> | undefined;
  return {
    requestAddress: (request: AddressRequest) => {
      last ??= driver.requestAddress(request);
      return last;
    },
  };
};

const released = new Set<string>();

export const ipamMutants: Readonly<Record<string, IpamMutation>> = {
  "ipam-identity/name": () => ({ name: "a name" }),
  "ipam-identity/mac": capable({ requiresMacAddress: "no" }),
  "ipam-identity/replay": capable({ requiresRequestReplay: "no" }),
  "ipam-identity/spaces": () => ({
    defaultAddressSpaces: async () => ({ local: "LocalDefault", global: "" }),
  }),
  "ipam-identity/spaces-stay": () => ({
    defaultAddressSpaces: async () => ({ local: "LocalDefault", global: `global${++counter}` }),
  }),

  "pools/id": leased(() => ({ poolId: "" })),
  "pools/asked": leased((_lease, { pool }) => (pool ? { pool: fixed6 } : {})),
  "pools/asked-ipv6": leased((_lease, { pool, family }) => (pool && family === 6 ? { pool: fixed6 } : {})),
  "pools/chosen": leased((_lease, { family }) => (family === 4 ? { pool: fixed6 } : {})),
  "pools/chosen-ipv6": leased((_lease, { family }) => (family === 6 ? { pool: fixed4 } : {})),
  "pools/no-host-bits": leased(() => ({ pool: bits })),
  "pools/chosen-apart": leased((_lease, { pool }) => (pool ? {} : { pool: fixed4 })),
  "pools/exclude": (driver) => ({
    requestPool: (request: PoolRequest) => driver.requestPool({ ...request, exclude: [] }),
    releasePool: async (id: string) => await driver.releasePool(id),
  }),
  "pools/chosen-beside-asked": (driver) => {
    let asked: Prefix | undefined;
    return {
      requestPool: async (request: PoolRequest) => {
        asked = request.pool ?? asked;
        const lease = await driver.requestPool(request);
        return request.pool || !asked ? lease : { ...lease, pool: asked };
      },
    };
  },
  "pools/gateway": leased(() => ({ gateway: parsePrefix("203.0.113.1/24") })),
  "pools/ids-differ": leased(() => ({ poolId: "one" })),
  "pools/overlap": lenient(() => true),
  "pools/overlap-inner": lenient(({ pool }) => pool?.length === 26),
  "pools/overlap-outer": lenient(({ pool }) => pool?.length === 16),
  "pools/overlap-is-told": (driver) => ({
    requestPool: async (request: PoolRequest) => {
      try {
        return await driver.requestPool(request);
      } catch {
        throw invalid("no");
      }
    },
  }),
  "pools/again": kept,
  "pools/release-twice": firstOnly("releasePool"),
  "pools/release-unknown": (driver) => {
    const { ids, requestPool } = known(driver);
    return {
      requestPool,
      releasePool: async (id: string) => {
        if (!ids.has(id)) throw invalid("unknown pool");
        await driver.releasePool(id);
      },
    };
  },
  "pools/release-with-addresses": (driver) => ({
    releasePool: async (id: string) => {
      released.add(id);
      await driver.releasePool(id);
    },
    requestAddress: async (request: AddressRequest) => {
      if (released.has(request.poolId)) throw invalid("it was leased before");
      return await driver.requestAddress(request);
    },
  }),
  "pools/release-one": (driver) => {
    const { ids, requestPool } = known(driver);
    return {
      requestPool,
      releasePool: async () => {
        for (const id of ids) await driver.releasePool(id);
      },
    };
  },
  "pools/wrong-family": lenient(({ pool, family }) => pool?.address.family !== family),
  "pools/host-bits": lenient(({ pool }) => pool !== undefined && hasHostBits(pool)),
  "pools/sub-pool-outside": lenient(({ subPool }) => subPool !== undefined),
  "pools/refused-is-free": (driver) => ({
    requestPool: async (request: PoolRequest) => {
      const { subPool, ...whole } = request;
      const lease = await driver.requestPool(whole);
      if (subPool) throw invalid("invalid address subpool");
      return lease;
    },
  }),
  "pools/many": (driver) => {
    let count = 0;
    return {
      requestPool: async (request: PoolRequest) => {
        if (++count > 40) throw invalid("forty are enough");
        return await driver.requestPool(request);
      },
    };
  },
  "pools/at-once": meetingPool,
  "pools/same-at-once": meetingPool,
  "pools/replay": leased((_lease, { onRecord }) => (onRecord ? { poolId: "another" } : {})),
  "pools/replay-is-leased": (driver) => ({
    requestPool: async (request: PoolRequest) => {
      const lease = await driver.requestPool(request);
      if (request.onRecord) await driver.releasePool(lease.poolId);
      return lease;
    },
  }),
  "pools/sweep": (driver) => {
    const { ids, requestPool } = known(driver);
    return {
      requestPool,
      sweep: async () => {
        for (const id of ids) await driver.releasePool(id);
      },
    };
  },
  "pools/request-stays": (driver) => ({
    requestPool: async (request: PoolRequest) => {
      Reflect.set(request, "family", 6);
      return await driver.requestPool(request);
    },
  }),
  "pools/unknown-space": (driver) => ({
    requestPool: (request: PoolRequest) => driver.requestPool({ ...request, addressSpace: "LocalDefault" }),
  }),

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
};

/** Another address than the one that was asked for. */
function sameOfPoolAsked(): IpamMutation {
  return addressed((own, { address }) => (address ? { ...own, address: addressPlus(address, 1n) } : own));
}
