// Addresses of a LAN that is somebody else's: the router hands out most of it, and we have the part that the user names
// (`--ip-range`). Several networks may be on one LAN, so their pools are one pool.

import type { IpamDriver } from "tsdocker/driverapi";
import {
  addressPlus,
  firstAddress,
  forbidden,
  formatAddress,
  formatPrefix,
  invalid,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixCovers,
  prefixSize,
  subnetOf,
  unavailable,
} from "tsdocker/driverkit";
import type { Notes } from "./notes.ts";

export interface Lan {
  readonly range: string;
  /** Networks that have it. */
  readonly users: number;
  readonly taken: readonly string[];
}

/** Builds the driver; what is leased is in `notes`, by the LAN's subnet, and so outlives this process and the daemon. */
export function createLanIpam(notes: Notes<Lan>): IpamDriver {
  const lanOf = (poolId: string) => {
    const lan = notes.get(poolId);
    if (!lan) throw invalid(`there is no pool ${poolId}`);
    return lan;
  };
  const prefix = (text: string): Prefix => {
    const parsed = parsePrefix(text);
    if (!parsed) throw invalid(`${text} is no subnet`);
    return parsed;
  };

  const freeIn = ({ range, taken }: Lan, subnet: Prefix) => {
    const whole = prefix(range);
    const ends = [firstAddress(subnet), addressPlus(firstAddress(subnet), prefixSize(subnet) - 1n)].map(
      formatAddress,
    );
    const used = new Set([...taken, ...ends]);
    for (let at = 0n; at < prefixSize(whole) && at < 65_536n; at++) {
      const address = addressPlus(firstAddress(whole), at);
      if (!used.has(formatAddress(address))) return address;
    }
    throw unavailable(`no available addresses in ${range}`);
  };

  return {
    name: "lan",
    capabilities: { requiresMacAddress: false, requiresRequestReplay: false },
    defaultAddressSpaces: async () => ({ local: "lan", global: "lan" }),

    async requestPool({ pool: asked, subPool }) {
      if (!asked) throw invalid("which subnet has the LAN? --subnet 192.0.2.0/24");
      if (!subPool) throw invalid("which addresses of the LAN are ours to give? --ip-range 192.0.2.192/27");
      const pool = subnetOf(asked);
      if (!prefixCovers(pool, subPool))
        throw invalid(`${formatPrefix(subPool)} is not in ${formatPrefix(pool)}`);
      const poolId = formatPrefix(pool);
      const range = formatPrefix(subnetOf(subPool));
      const lan = notes.get(poolId) ?? { range, users: 0, taken: [] };
      if (lan.range !== range) throw forbidden(`another network gives addresses of ${lan.range} on this LAN`);
      await notes.set(poolId, { ...lan, users: lan.users + 1 });
      return { poolId, pool };
    },

    async releasePool(poolId) {
      const lan = notes.get(poolId);
      if (lan && lan.users > 1) await notes.set(poolId, { ...lan, users: lan.users - 1 });
      else await notes.delete(poolId);
    },

    async requestAddress({ poolId, address: asked, purpose }) {
      const lan = lanOf(poolId);
      const subnet = prefix(poolId);
      if (asked && !prefixContains(subnet, asked))
        throw invalid(`${formatAddress(asked)} is not in ${poolId}`);
      const address = asked ?? freeIn(lan, subnet);
      const text = formatAddress(address);
      // the router's address is the router's, however many networks name it
      if (purpose !== "endpoint") return { address, length: subnet.length };
      if (lan.taken.includes(text)) throw forbidden(`${text} is in use`);
      await notes.set(poolId, { ...lan, taken: [...lan.taken, text] });
      return { address, length: subnet.length };
    },

    async releaseAddress(poolId, address) {
      const lan = notes.get(poolId);
      const text = formatAddress(address);
      if (lan?.taken.includes(text))
        await notes.set(poolId, { ...lan, taken: lan.taken.filter((each) => each !== text) });
    },
  };
}
