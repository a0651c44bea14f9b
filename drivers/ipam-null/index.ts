// The IPAM driver `null`: for networks whose driver finds addresses by itself (DHCP, say) or has none.

import type { IpamDriver, IpamDriverFactory } from "../../src/driverapi/index.ts";
import { invalid } from "../../src/util/errors.ts";

const space = "null";

/** Builds the driver `null`: every pool is 0.0.0.0/0 or ::/0, no address is ever leased. */
const createNullIpam: IpamDriverFactory = () =>
  ({
    name: "null",
    capabilities: { requiresMacAddress: false, requiresRequestReplay: false },
    defaultAddressSpaces: async () => ({ local: space, global: space }),

    async requestPool({ addressSpace, pool, subPool, family }) {
      if (addressSpace !== space) throw invalid(`unknown address space: ${addressSpace}`);
      if (pool) throw invalid("null ipam driver does not handle specific address pool requests");
      if (subPool) throw invalid("null ipam driver does not handle specific address subpool requests");
      return {
        poolId: `${space}/${family === 4 ? "0.0.0.0" : "::"}/0`,
        pool: { address: { family, value: 0n }, length: 0 },
      };
    },

    releasePool: async () => undefined,

    async requestAddress() {
      throw invalid("null ipam driver does not handle address requests");
    },

    releaseAddress: async () => undefined,
  }) satisfies IpamDriver;

export default createNullIpam;
