// Hosts of a cluster as plugins hear of them (`DiscoverNew`, `DiscoverDelete`): those whose endpoints reach each other
// across hosts build their meshes by that.

import { setTimeout as pause } from "node:timers/promises";
import type { ClusterAccess, ClusterStay } from "../../src/driverapi/index.ts";
import { formatAddress } from "../../src/netip/index.ts";
import { errorKind } from "../../src/util/errors.ts";

/** NodeDiscovery of libnetwork/discoverapi: the one type that reaches plugins. */
const nodeDiscovery = 1;
const patienceMs = 2_000;
/** Until a plugin that was away is told again who came. */
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

interface Voice {
  readonly tell: (method: "DiscoverNew" | "DiscoverDelete", request: object) => Promise<unknown>;
  /** No plugin keeps a host from coming or going: what fails is for the log. */
  readonly failed: (method: string, error: unknown) => void;
}

/** Tells of all hosts, this one first, and of those that come, go and move. Waits for no answer. */
export function tellOfNodes(cluster: ClusterAccess, { tell, failed }: Voice): ClusterStay {
  const told = new Map<string, string>();
  let last: Promise<unknown> = Promise.resolve();
  let again: NodeJS.Timeout | undefined;
  let pauseMs = firstPauseMs;
  let isOver = false;
  const say = (method: "DiscoverNew" | "DiscoverDelete", id: string, address: string) => {
    const data = { Address: address, BindAddress: "", Self: id === cluster.self.id };
    const send = () => tell(method, { DiscoveryType: nodeDiscovery, DiscoveryData: data });
    // in order: one that moved goes before it comes
    last = last.then(send).catch((error) => {
      failed(method, error);
      // one that is away hears of it when it is back; what it refuses it has heard
      if (method === "DiscoverDelete" || errorKind(error) !== "unavailable") return;
      if (told.get(id) === address) told.delete(id);
      if (isOver || again) return;
      again = setTimeout(align, pauseMs).unref();
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    });
  };
  const align = () => {
    clearTimeout(again);
    again = undefined;
    const now = new Map(
      [...cluster.nodes.entries()].map(({ value }) => [value.id, formatAddress(value.address)]),
    );
    if (!now.has(cluster.self.id)) now.set(cluster.self.id, formatAddress(cluster.self.address));
    for (const [id, address] of told) if (now.get(id) !== address) say("DiscoverDelete", id, address);
    for (const [id, address] of [...now].toSorted(([one]) => (one === cluster.self.id ? -1 : 1)))
      if (told.get(id) !== address) say("DiscoverNew", id, address);
    told.clear();
    for (const [id, address] of now) told.set(id, address);
  };
  align();
  const stop = cluster.nodes.follow(align);
  return {
    paths: () => [],
    tryPaths: async () => undefined,
    follow: () => () => undefined,
    end: async ({ leaves }) => {
      isOver = true;
      clearTimeout(again);
      stop();
      if (leaves) for (const [id, address] of told) say("DiscoverDelete", id, address);
      // a plugin that does not answer keeps nobody from leaving
      await Promise.race([last, pause(patienceMs, undefined, { ref: false })]);
    },
  };
}
