// Addresses out of subnets that are asked for by name, on record in a file that is whole at any time: before an answer
// goes out, what it says is written down. Who asks for the same pool again has the same.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { IpamDriver } from "../../../src/driverapi/index.ts";
import {
  type Address,
  addressPlus,
  firstAddress,
  formatAddress,
  formatPrefix,
  type Prefix,
  parsePrefix,
  prefixSize,
} from "../../../src/netip/index.ts";
import { internal, invalid } from "../../../src/util/errors.ts";

export interface Pages {
  /** Addresses by pool. */
  readonly pools: Map<string, Set<string>>;
  /** Endpoints whose ports are open. */
  readonly published: Set<string>;
}

export interface Notebook {
  read<T>(look: (pages: Pages) => T): T;
  /** Written down when it returns. */
  change<T>(work: (pages: Pages) => T): T;
}

export function openNotebook(path: string): Notebook {
  const pages = readPages(path);
  return {
    read: (look) => look(pages),
    change: (work) => {
      const answer = work(pages);
      const pools = [...pages.pools].map(([id, taken]) => [id, [...taken]]);
      writeFileSync(`${path}.new`, JSON.stringify({ pools, published: [...pages.published] }));
      renameSync(`${path}.new`, path);
      return answer;
    },
  };
}

/** What is in it, in words that tests compare with nothing. */
export function listNotebook(path: string): string[] {
  const { pools, published } = readPages(path);
  return [
    ...[...pools].map(([id, taken]) => `pool ${id}: ${[...taken].join(" ")}`),
    ...[...published].map((id) => `published ${id}`),
  ];
}

function readPages(path: string): Pages {
  let text = '{"pools":[],"published":[]}';
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // nothing has been written yet
  }
  const { pools, published } = JSON.parse(text) as {
    pools: readonly (readonly [string, readonly string[]])[];
    published: readonly string[];
  };
  return {
    pools: new Map(pools.map(([id, taken]) => [id, new Set(taken)])),
    published: new Set(published),
  };
}

/** `isForgetful`: it begins with no leases, and wants to be told again what they are. */
export function notebookIpam(
  notebook: Notebook,
  { isForgetful }: { readonly isForgetful: boolean },
): IpamDriver {
  if (isForgetful) notebook.change(({ pools }) => pools.clear());
  return {
    name: "notebook",
    capabilities: { requiresMacAddress: true, requiresRequestReplay: isForgetful },
    defaultAddressSpaces: async () => ({ local: "notebook", global: "notebook" }),
    async requestPool({ pool }) {
      if (!pool) throw invalid("which subnet?");
      const poolId = formatPrefix(pool);
      notebook.change(({ pools }) => void pools.set(poolId, pools.get(poolId) ?? new Set()));
      return { poolId, pool };
    },
    releasePool: async (poolId) => notebook.change(({ pools }) => void pools.delete(poolId)),
    async requestAddress({ poolId, address, purpose, macAddress }) {
      if (purpose === "endpoint" && !macAddress) throw invalid("which MAC?");
      const pool = parsePrefix(poolId);
      return notebook.change(({ pools }) => {
        const taken = pools.get(poolId);
        if (!taken || !pool) throw invalid(`there is no pool ${poolId}`);
        const leased = address ?? firstFree(pool, taken);
        if (taken.has(formatAddress(leased))) throw internal(`${formatAddress(leased)} is in use`);
        taken.add(formatAddress(leased));
        return { address: leased, length: pool.length };
      });
    },
    releaseAddress: async (poolId, address) =>
      notebook.change(({ pools }) => void pools.get(poolId)?.delete(formatAddress(address))),
  };
}

function firstFree(pool: Prefix, taken: ReadonlySet<string>): Address {
  for (let at = 1n; at < prefixSize(pool) - 1n; at++) {
    const address = addressPlus(firstAddress(pool), at);
    if (!taken.has(formatAddress(address))) return address;
  }
  throw internal("no available addresses");
}
