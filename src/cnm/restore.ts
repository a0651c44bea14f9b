// A start of the daemon: what is on record is leased, told to drivers and served again; what a crash left is swept away.

import { basename, join } from "node:path";
import { Undo } from "../util/undo.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { Endpoint } from "./endpoint.ts";
import { createInDriver, forgetEndpoint, leaseAddressesAgain, reasonOf } from "./join.ts";
import { leaseAgain, releasePools } from "./leases.ts";
import { createRequest, Network } from "./network.ts";
import type { EndpointRecord, NetworkRecord, PoolRecord, SandboxRecord } from "./records.ts";
import type { Sandboxes } from "./sandboxes.ts";
import { pack, unpack } from "./stored.ts";

/** Containers that run although the daemon did not. */
export type LiveContainers = ReadonlySet<string>;

/** Networks first, then the sandboxes of live containers, then the sweep of all that belongs to nobody. */
export async function restore(
  parts: ControllerParts,
  sandboxes: Sandboxes,
  live: LiveContainers,
): Promise<void> {
  const { networks, endpoints } = parts.records;
  const records = [...parts.records.sandboxes.values()].map(unpack);
  const stored = [...networks.values()].map(unpack);
  // pools one after the other: the leases decide who overlaps whom; devices side by side
  for (const record of stored) await restoreNetwork(parts, record);
  for (const record of records) {
    if (live.has(record.spec.containerId)) await restoreSandbox(parts, sandboxes, record);
  }
  const alive = new Set(sandboxes.all().map(({ id }) => id));
  const orphans = [...endpoints.values()].map(unpack).filter(({ sandboxId }) => !alive.has(sandboxId));
  await forgetRecords(
    parts,
    orphans,
    records.filter(({ id }) => !alive.has(id)),
  );
  await sweep(parts, sandboxes);
}

async function restoreNetwork(parts: ControllerParts, record: NetworkRecord): Promise<void> {
  const driver = parts.drivers.get(record.driver);
  const ipam = parts.ipamDrivers.get(record.ipam.driver);
  if (!driver || !ipam) {
    parts.log.warn(
      { network: record.name, driver: record.driver },
      "cannot restore network: its driver is missing",
    );
    return;
  }
  await using undo = new Undo(parts.log);
  try {
    const pools: PoolRecord[] = [];
    for (const pool of record.pools) pools.push(await leaseAgain(ipam, pool));
    undo.defer("release pools", () => releasePools(ipam, pools));
    const network = new Network({ ...record, pools }, driver, ipam);
    if (driver.capabilities.replay && !record.configOnly)
      await driver.createNetwork(createRequest(network.record));
    undo.forget();
    parts.networks.add(network);
  } catch (error) {
    parts.log.error({ network: record.name, ...reasonOf(error) }, "cannot restore network");
  }
}

/** Serves a container again that went on without us; when its netns is gone there is nothing to serve. */
async function restoreSandbox(
  parts: ControllerParts,
  sandboxes: Sandboxes,
  record: SandboxRecord,
): Promise<void> {
  try {
    const netns = record.spec.netns === "own" ? await parts.netns.open(record.netnsPath) : undefined;
    const sandbox = sandboxes.open(netns ? record : { ...record, netnsPath: parts.hostNetns }, netns);
    const mine = [...parts.records.endpoints.values()]
      .map(unpack)
      .filter(({ sandboxId }) => sandboxId === record.id);
    const endpoints: Endpoint[] = [];
    for (const endpoint of mine) {
      const restored = await restoreEndpoint(parts, endpoint, record);
      if (restored) endpoints.push(restored);
    }
    await sandbox.adopt(endpoints);
  } catch (error) {
    parts.log.error({ container: record.spec.containerId, ...reasonOf(error) }, "cannot restore sandbox");
  }
}

async function restoreEndpoint(
  parts: ControllerParts,
  record: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<Endpoint | undefined> {
  const network = parts.networks.get(record.networkId);
  if (!network) return undefined;
  await using undo = new Undo(parts.log);
  const endpoint = new Endpoint(network, record);
  await leaseAddressesAgain(endpoint, undo);
  if (network.driver.capabilities.replay) await createInDriver(endpoint, sandbox, undo);
  network.endpoints.set(endpoint.id, endpoint);
  undo.forget();
  return endpoint;
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
    const ref = { networkId: record.networkId, endpointId: record.id };
    parts.background.run("leave", () => network.driver.leave(ref));
    parts.background.run("delete endpoint", () => network.driver.deleteEndpoint(ref));
    parts.background.run("release addresses", () => forgetEndpoint(parts, new Endpoint(network, record)));
  }
  await parts.records.store.commit((transaction) => {
    for (const { id } of endpoints) transaction.delete(parts.records.endpoints, id);
    for (const { id } of sandboxes) transaction.delete(parts.records.sandboxes, id);
    for (const { record } of parts.networks.all())
      transaction.put(parts.records.networks, record.id, pack(record));
  });
}

/** Removes pins of namespaces and links that carry our mark and belong to nobody. */
async function sweep(parts: ControllerParts, sandboxes: Sandboxes): Promise<void> {
  const known = new Set(sandboxes.all().map(({ netnsPath }) => basename(netnsPath)));
  const pins = (await parts.netns.list(parts.netnsFolder)).filter((name) => !known.has(name));
  for (const name of pins) parts.log.info({ netns: name }, "removing a namespace that a crash left behind");
  await Promise.all(pins.map((name) => parts.netns.removePin(join(parts.netnsFolder, name))));
  const networkIds = new Set(parts.networks.all().map(({ id }) => id));
  const endpointIds = new Set(parts.networks.all().flatMap(({ endpoints }) => [...endpoints.keys()]));
  await Promise.all([...parts.drivers.values()].map((driver) => driver.sweep?.({ networkIds, endpointIds })));
}
