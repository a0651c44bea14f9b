// A start of the daemon: what is on record is leased, told to drivers and served again; what a crash left is swept away.

import { basename, join } from "node:path";
import type { NetworkDriver, SweepRequest } from "../driverapi/index.ts";
import { Undo } from "../util/undo.ts";
import { type Adoption, adopt, openAgain } from "./adopt.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { Endpoint } from "./endpoint.ts";
import { isGlobal } from "./global/index.ts";
import { forgetEndpoint, reasonOf } from "./join.ts";
import { leaseAgain, releasePools } from "./leases.ts";
import { Network } from "./network.ts";
import type { EndpointRecord, NetworkRecord, PoolRecord, SandboxRecord } from "./records.ts";
import type { Sandboxes } from "./sandboxes.ts";
import { pack, unpack } from "./stored.ts";

/** Containers that run although the daemon did not, and perhaps their first processes: a set of ids, or a map to PIDs. */
export interface LiveContainers {
  has(containerId: string): boolean;
  get?(containerId: string): number | undefined;
}

/** Networks or sandboxes that are brought back at a time; the kernel takes their changes one by one anyway. */
const width = 16;

/** Networks first, then the sandboxes of live containers, then the sweep of all that belongs to nobody. */
export async function restore(
  parts: ControllerParts,
  sandboxes: Sandboxes,
  live: LiveContainers,
): Promise<void> {
  const networks = [...parts.records.networks.values()].map(unpack);
  const endpoints = [...parts.records.endpoints.values()].map(unpack);
  const records = [...parts.records.sandboxes.values()].map(unpack);
  await restoreNetworks(parts, networks);
  const living = records.filter(({ spec }) => live.has(spec.containerId));
  const adoptions: Adoption[] = [];
  for (const record of living) {
    const mine = endpoints.filter(({ sandboxId }) => sandboxId === record.id);
    const pid = live.get?.(record.spec.containerId);
    const adoption = await openAgain(parts, sandboxes, { record, endpoints: mine, pid });
    if (adoption) adoptions.push(adoption);
  }
  // when all are listed: a container's links name endpoints of others
  await sideBySide(adoptions, (adoption) => adopt(parts, adoption));
  const alive = new Set(sandboxes.all().map(({ id }) => id));
  const isAlive = ({ sandboxId }: EndpointRecord) => alive.has(sandboxId);
  await forgetRecords(
    parts,
    endpoints.filter((record) => !isAlive(record)),
    records.filter(({ id }) => !alive.has(id)),
  );
  const served = parts.networks.all().flatMap((network) => [...network.endpoints.keys()]);
  // by record: what could not be restored may serve somebody all the same
  await sweep(parts, sandboxes, {
    networkIds: new Set([...networks, ...parts.networks.all()].map(({ id }) => id)),
    // those of before, and ways out that were missing
    endpointIds: new Set([...endpoints.filter(isAlive).map(({ id }) => id), ...served]),
  });
}

/** Pools one after the other, since the leases decide who overlaps whom; devices side by side. */
async function restoreNetworks(parts: ControllerParts, records: readonly NetworkRecord[]): Promise<void> {
  const leased: Network[] = [];
  for (const record of records) {
    const undo = new Undo(parts.log);
    const network = await leaseNetwork(parts, record, undo);
    if (network) undo.forget();
    else await undo.dispose();
    if (network) leased.push(network);
  }
  await sideBySide(leased, (network) => makeAgain(parts, network));
  // in the order of old, whichever was ready first
  for (const network of leased) parts.networks.add(network);
}

async function leaseNetwork(
  parts: ControllerParts,
  record: NetworkRecord,
  undo: Undo,
): Promise<Network | undefined> {
  const driver = parts.drivers.recall(record.driver);
  const ipam = parts.ipamDrivers.recall(record.ipam.driver);
  if (!driver || !ipam) {
    parts.log.warn(
      { network: record.name, driver: record.driver },
      "cannot restore network: its driver is missing",
    );
    return undefined;
  }
  try {
    const pools: PoolRecord[] = [];
    undo.defer("release pools", () => releasePools(ipam, pools));
    for (const pool of record.pools) pools.push(await leaseAgain(ipam, pool, record));
    return new Network({ ...record, pools }, driver, ipam);
  } catch (error) {
    parts.log.error({ network: record.name, ...reasonOf(error) }, "cannot restore network");
    return undefined;
  }
}

/** One that its driver refuses (its parent is not there, say) is listed all the same: to be removed, or tried again. */
async function makeAgain(parts: ControllerParts, network: Network): Promise<void> {
  const { driver, record } = network;
  network.isMissing = driver.capabilities.replay && !record.configOnly;
  try {
    await network.makeAgain();
  } catch (error) {
    parts.log.error({ network: record.name, ...reasonOf(error) }, "cannot restore network");
  }
}

/** Drivers that keep endpoints by themselves are told; for the others the sweep is enough. */
async function forgetRecords(
  parts: ControllerParts,
  endpoints: readonly EndpointRecord[],
  sandboxes: readonly SandboxRecord[],
): Promise<void> {
  for (const record of endpoints) {
    const network = parts.networks.get(record.networkId);
    if (!network || network.driver.capabilities.replay) continue;
    parts.background.run("end endpoint", () => endInDriver(parts, network.driver, record));
    parts.background.run("release addresses", () => forgetEndpoint(parts, new Endpoint(network, record)));
  }
  await parts.records.store.commit((transaction) => {
    for (const { id } of endpoints) transaction.delete(parts.records.endpoints, id);
    for (const { id } of sandboxes) transaction.delete(parts.records.sandboxes, id);
    const local = parts.networks.all().filter((network) => !isGlobal(network));
    for (const { record } of local) transaction.put(parts.records.networks, record.id, pack(record));
  });
}

/** In the order of any other end; who does not take one call is told the others all the same. */
async function endInDriver(
  { log }: ControllerParts,
  driver: NetworkDriver,
  { id: endpointId, networkId }: EndpointRecord,
): Promise<void> {
  const ref = { networkId, endpointId };
  const failed = (error: unknown) => log.warn({ endpoint: endpointId, ...reasonOf(error) }, "an end failed");
  await driver.revokeExternalConnectivity?.(ref).catch(failed);
  await driver.leave(ref).catch(failed);
  await driver.deleteEndpoint(ref).catch(failed);
}

/** Removes pins of namespaces and links that carry our mark and belong to nobody. */
async function sweep(parts: ControllerParts, sandboxes: Sandboxes, known: SweepRequest): Promise<void> {
  const inUse = new Set(sandboxes.all().map(({ netnsPath }) => basename(netnsPath)));
  // other names are drivers' own namespaces
  const isSandbox = (name: string) => /^[0-9a-f]{12}$/.test(name);
  const names = await parts.netns.list(parts.netnsFolder);
  const pins = names.filter((name) => isSandbox(name) && !inUse.has(name));
  // first: some drivers take back by what is in there
  await Promise.all(parts.drivers.all().map((driver) => sweepDriver(parts, driver, known)));
  await Promise.all(
    pins.map(async (name) => {
      parts.log.info({ netns: name }, "removing a namespace that a crash left behind");
      try {
        await parts.netns.removePin(join(parts.netnsFolder, name));
      } catch (error) {
        parts.log.warn(
          { netns: name, ...reasonOf(error) },
          "cannot remove a namespace that a crash left behind",
        );
      }
    }),
  );
}

/** What one of them cannot take away keeps nobody else's networks from starting. */
async function sweepDriver(
  { log }: ControllerParts,
  driver: NetworkDriver,
  known: SweepRequest,
): Promise<void> {
  try {
    await driver.sweep?.(known);
  } catch (error) {
    log.error(
      { driver: driver.name, ...reasonOf(error) },
      "a driver cannot take away what a crash left behind",
    );
  }
}

async function sideBySide<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
