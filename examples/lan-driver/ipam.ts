// Addresses of a LAN that is somebody else's: the router hands out most of it, and we have the part that the user names
// (`--ip-range`). Several networks may be on one LAN, so their pools are one pool.

import type { DriverTraits, IpamDriver } from "tsdocker/driverapi";
import {
  addressPlus,
  firstAddress,
  forbidden,
  formatAddress,
  formatPrefix,
  hasHostBits,
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
  /** Addresses of endpoints. */
  readonly taken: readonly string[];
  /** The router's and others' that users named, as often as they did. */
  readonly reserved: readonly string[];
}

/** Of the kit: the LAN is somebody else's, whose addresses we neither choose nor have alone. */
export const traits: DriverTraits = { namedPools: true, namedRanges: true, sharedPools: true };

/** The list without one of them. */
function without(items: readonly string[], item: string): readonly string[] {
  const at = items.indexOf(item);
  return at < 0 ? items : items.toSpliced(at, 1);
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

  const freeIn = ({ range, taken, reserved }: Lan, subnet: Prefix) => {
    const whole = prefix(range);
    const ends = [firstAddress(subnet), addressPlus(firstAddress(subnet), prefixSize(subnet) - 1n)].map(
      formatAddress,
    );
    const used = new Set([...taken, ...reserved, ...ends]);
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

    async requestPool({ addressSpace, pool, subPool, family }) {
      if (addressSpace !== "lan") throw invalid(`there is no address space ${addressSpace}`);
      if (!pool) throw invalid("which subnet has the LAN? --subnet 192.0.2.0/24");
      if (!subPool) throw invalid("which addresses of the LAN are ours to give? --ip-range 192.0.2.192/27");
      const poolId = formatPrefix(pool);
      if (pool.address.family !== family) throw invalid(`${poolId} is not IPv${family}`);
      if (hasHostBits(pool))
        throw invalid(`${poolId} is an address and no subnet: ${formatPrefix(subnetOf(pool))} is`);
      if (!prefixCovers(pool, subPool)) throw invalid(`${formatPrefix(subPool)} is not in ${poolId}`);
      const range = formatPrefix(subnetOf(subPool));
      const lan = notes.get(poolId) ?? { range, users: 0, taken: [], reserved: [] };
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
      if (purpose !== "endpoint") {
        await notes.set(poolId, { ...lan, reserved: [...lan.reserved, text] });
        return { address, length: subnet.length };
      }
      if (lan.taken.includes(text) || lan.reserved.includes(text)) throw forbidden(`${text} is in use`);
      await notes.set(poolId, { ...lan, taken: [...lan.taken, text] });
      return { address, length: subnet.length };
    },

    async releaseAddress(poolId, address) {
      const lan = notes.get(poolId);
      if (!lan) return;
      const text = formatAddress(address);
      const [taken, reserved] = lan.taken.includes(text)
        ? [without(lan.taken, text), lan.reserved]
        : [lan.taken, without(lan.reserved, text)];
      await notes.set(poolId, { ...lan, taken, reserved });
    },
  };
}
