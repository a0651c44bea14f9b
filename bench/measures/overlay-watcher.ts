// A process of the overlay measure: hosts of a cluster that have copies of the store and no kernel. It is told by messages
// what to do, and answers each.

import type { PublishedEndpoint } from "../../drivers/overlay/shared.ts";
import { parseEndpoints } from "../../src/cluster/etcd/index.ts";
import { type Cluster, type ClusterNode, connectCluster, type SharedTable } from "../../src/cluster/index.ts";
import { addressPlus, macFromBytes, parseAddress } from "../../src/netip/index.ts";

interface Order {
  readonly what: "join" | "fill" | "watch" | "write" | "seen";
  readonly hosts: number;
  readonly endpoints: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly changes: number;
}

/** With when it was written, by the clock that all processes of a machine share. */
type Row = PublishedEndpoint & { readonly writtenMs?: number };

const networks = 50;
const mostAtOnce = 50;
const [first = 0, count = 1] = process.argv.slice(2).map(Number);
const joined: { readonly cluster: Cluster; readonly table: SharedTable<Row> }[] = [];
const nowMs = () => Number(process.hrtime.bigint() / 1_000n) / 1_000;
const unfollow: (() => void)[] = [];
let lags: number[] = [];
let seen: number[] = [];
let cpu = process.cpuUsage();

function nodeOf(number: number): ClusterNode {
  const from = parseAddress("198.18.0.1");
  if (!from) throw new Error("no address");
  const id = `host${number}`;
  return { id, name: id, address: addressPlus(from, BigInt(number)), dataPort: 4789, version: "bench" };
}

/** Of one of so many hosts and 50 networks. */
function endpointOf(number: number, hosts: number): { key: string; row: Row } {
  const from = parseAddress("10.0.0.1");
  if (!from) throw new Error("no address");
  const network = number % networks;
  const key = `${network.toString(16).padStart(64, "0")}/${number.toString(16).padStart(64, "e")}`;
  const mac = macFromBytes(Uint8Array.of(2, 66, 10, number >> 16, (number >> 8) & 255, number & 255));
  const addresses = [addressPlus(from, BigInt(number))];
  return { key, row: { node: `host${number % hosts}`, mac, addresses, vni: 4096 + network } };
}

const memory = () => {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapMb: (heapUsed + external) / 1e6, rssMb: rss / 1e6 };
};

async function join(): Promise<object> {
  const before = memory();
  const begin = performance.now();
  for (let at = 0; at < count; at++) {
    const endpoints = parseEndpoints("127.0.0.1:2379");
    const self = nodeOf(first + at);
    // so many on so few processors are late with their signs of life
    const cluster = await connectCluster({
      id: "bench",
      self,
      endpoints,
      ttlSeconds: 60,
      firstConnectMs: 60_000,
    });
    joined.push({ cluster, table: await cluster.table<Row>("overlay-endpoints") });
  }
  const ms = performance.now() - begin;
  const after = memory();
  return { ms, heapMb: after.heapMb - before.heapMb, rssMb: after.rssMb };
}

async function fill({ hosts, endpoints }: Order): Promise<object> {
  const [own] = joined;
  if (!own) return {};
  for (let number = 0; number < hosts; number++) await own.cluster.nodes.put(`host${number}`, nodeOf(number));
  for (let from = 0; from < endpoints; from += mostAtOnce)
    await own.cluster.commit((transaction) => {
      for (let number = from; number < from + mostAtOnce; number++) {
        const { key, row } = endpointOf(number, hosts);
        transaction.put(own.table, key, row);
      }
    });
  return {};
}

function watch(): object {
  for (const stop of unfollow.splice(0)) stop();
  lags = [];
  seen = joined.map(() => 0);
  cpu = process.cpuUsage();
  for (const [at, { table }] of joined.entries())
    unfollow.push(
      table.follow((changes) => {
        seen[at] = (seen[at] ?? 0) + changes.length;
        const now = nowMs();
        if (at === 0)
          for (const change of changes)
            if (change.kind === "put") lags.push(now - (change.entry.value.writtenMs ?? now));
      }),
    );
  return {};
}

/** At an even pace: a late one is followed by the next at once. */
async function write({ perSecond, seconds, endpoints }: Order): Promise<object> {
  const [own] = joined;
  if (!own) return {};
  const begin = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let at = 0; at < perSecond * seconds; at++) {
    const { key, row } = endpointOf((at * 7_919) % endpoints, 200);
    writes.push(own.table.put(key, { ...row, writtenMs: nowMs() }));
    const early = begin + ((at + 1) * 1_000) / perSecond - performance.now();
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
  }
  await Promise.all(writes);
  return { ms: performance.now() - begin };
}

/** When all of this process's hosts have seen so many. */
async function sawAll({ changes }: Order): Promise<object> {
  const deadline = performance.now() + 120_000;
  while (seen.some((own) => own < changes)) {
    if (performance.now() > deadline) throw new Error(`changes were not seen: ${seen}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { user, system } = process.cpuUsage(cpu);
  return { lags, cpuMs: (user + system) / 1_000 };
}

const orders = { join, fill, watch, write, seen: sawAll };

process.on("message", async (order: Order) => process.send?.(await orders[order.what](order)));
process.once("disconnect", async () => {
  await Promise.all(joined.map(({ cluster }) => cluster.close({ leave: false })));
  process.exit();
});
