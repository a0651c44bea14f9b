// A cluster as this host knows it, for people and programs: pure functions of its copies.

import type { Cluster, ClusterNode } from "../../cluster/index.ts";
import { type Admission, addressOf } from "../../cluster/join/admission.ts";
import type { ClusterNodeView, ClusterPeerView, ClusterView, ClusterWarning } from "../../engine/types.ts";

export interface KnownCluster {
  readonly id: string;
  readonly self: ClusterNode;
  readonly store: ClusterView["store"];
  /** Undefined until the store answers for the first time. */
  readonly cluster: Cluster | undefined;
  /** Those that were admitted; undefined where the operator runs the store. */
  readonly admissions: ReadonlyMap<string, Admission> | undefined;
  /** What is wrong with this host's own part, and so worse than a store that is away. */
  readonly trouble: string | undefined;
  readonly peers: readonly ClusterPeerView[];
  readonly warnings: readonly ClusterWarning[];
}

export function viewCluster(known: KnownCluster): ClusterView {
  const { id, self, store, cluster, peers, warnings } = known;
  const trouble = known.trouble ?? (cluster ? cluster.trouble : "its store has not answered yet");
  return {
    id,
    state: trouble === undefined ? "connected" : "frozen",
    ...(trouble !== undefined && { trouble }),
    revision: cluster?.revision ?? 0,
    nodeId: self.id,
    store,
    nodes: viewNodes(known),
    peers,
    warnings,
  };
}

function viewNodes({ self, cluster, admissions }: KnownCluster): ClusterNodeView[] {
  const nodes = new Map([...(cluster?.nodes.entries() ?? [])].map(({ key, value }) => [key, value]));
  // admitted, and not heard of since
  for (const [id, admission] of admissions ?? []) if (!nodes.has(id)) nodes.set(id, newcomer(admission));
  nodes.set(self.id, nodes.get(self.id) ?? self);
  const views = [...nodes.values()].map((node): ClusterNodeView => {
    const isSelf = node.id === self.id;
    const { id, name, address, dataPort, version } = node;
    const role = admissions?.get(id)?.seat === "member" ? "member" : "node";
    return {
      ...{ id, name, address, dataPort, version, role, isSelf },
      isUp: isSelf || (cluster?.isAlive(id) ?? false),
    };
  });
  return views.sort((a, b) => (a.name === b.name ? order(a.id, b.id) : order(a.name, b.name)));
}

const order = (a: string, b: string) => (a < b ? -1 : 1);

function newcomer(admission: Admission): ClusterNode {
  const { nodeId: id, name } = admission;
  return { id, name, address: addressOf(admission), dataPort: 0, version: "" };
}
