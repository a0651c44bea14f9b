// A mutant for each check of an IPAM driver and its pools.

import type { AddressRequest, PoolRequest } from "../../../../src/driverapi/index.ts";
import { hasHostBits, type Prefix, parsePrefix } from "../../../../src/netip/index.ts";
import { invalid } from "../../../../src/util/errors.ts";
import { fixed4, type IpamMutation, known, leased } from "../ipam-breaking.ts";

const fixed6 = parsePrefix("2001:db8:1:1::/64") as Prefix;

const bits = parsePrefix("198.18.1.7/24") as Prefix;

let counter = 0;

const capable =
  (change: object): IpamMutation =>
  (driver) => ({ capabilities: { ...driver.capabilities, ...change } });

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

const kept: IpamMutation = () => ({ releasePool: async () => undefined });

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

export const poolMutants: Readonly<Record<string, IpamMutation>> = {
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
  "pools/release-with-addresses": (driver) => {
    const released = new Set<string>();
    return {
      releasePool: async (id: string) => {
        released.add(id);
        await driver.releasePool(id);
      },
      requestAddress: async (request: AddressRequest) => {
        if (released.has(request.poolId)) throw invalid("it was leased before");
        return await driver.requestAddress(request);
      },
    };
  },
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

  // of drivers to which users name pools
  "pools/named": (driver) => ({
    requestPool: (request: PoolRequest) => driver.requestPool({ ...request, pool: request.pool ?? fixed4 }),
  }),
  "pools/named-range": (driver) => ({
    requestPool: (request: PoolRequest) =>
      driver.requestPool({ ...request, ...(request.pool && { subPool: request.subPool ?? request.pool }) }),
  }),
  "pools/shared": (driver) => {
    const leased: Prefix[] = [];
    return {
      requestAddress: async (request: AddressRequest) => {
        leased.push(await driver.requestAddress(request));
        return leased[(leased.length - 1) % 5];
      },
    };
  },
  "pools/shared-release": (driver) => ({
    releasePool: async (id: string) => {
      for (let round = 0; round < 2; round++) await driver.releasePool(id);
    },
  }),
};
