// What happened in the cluster, told as events: the difference of two views.

import { formatAddress } from "../netip/index.ts";
import type { Attributes, Events } from "./events.ts";
import type { Membership } from "./membership.ts";
import type { ClusterNodeView, ClusterPeerView, ClusterView } from "./types.ts";

export interface ClusterHappening {
  readonly action: string;
  /** Of the cluster, or of the host that it is about. */
  readonly id: string;
  readonly attributes: Attributes;
}

/** Publishes events of the type `cluster` from now on, and of networks that come and go by other hosts' doing. */
export function tellOfCluster(events: Events, membership: Membership): () => void {
  let before = membership.view();
  const stop = membership.followNetworks(({ action, id, name, driver }) =>
    events.publish("network", action, id, { name, type: driver }),
  );
  const end = membership.follow(() => {
    const after = membership.view();
    for (const { action, id, attributes } of happenings(before, after))
      events.publish("cluster", action, id, attributes);
    before = after;
  });
  return () => {
    stop();
    end();
  };
}

/** In the order in which a reader understands them: this host, the store, the others, then the paths to them. */
export function happenings(
  before: ClusterView | undefined,
  after: ClusterView | undefined,
): ClusterHappening[] {
  if (before && before.id !== after?.id) return [about("leave", before), ...happenings(undefined, after)];
  if (!after) return [];
  if (!before) {
    return after.state === "frozen" ? [about("join", after), frozen(after)] : [about("join", after)];
  }
  return [...stateChange(before, after), ...nodeChanges(before, after), ...pathChanges(before, after)];
}

function stateChange(before: ClusterView, after: ClusterView): ClusterHappening[] {
  if (before.state === after.state) return [];
  return [after.state === "frozen" ? frozen(after) : about("connected", after)];
}

function nodeChanges(before: ClusterView, after: ClusterView): ClusterHappening[] {
  const known = new Map(before.nodes.map((node) => [node.id, node]));
  const present = new Set(after.nodes.map(({ id }) => id));
  const gone = before.nodes.filter(({ id }) => !present.has(id));
  const changed = after.nodes.flatMap((node) => {
    const last = known.get(node.id);
    const isNew = !last ? [aboutNode("node-join", after, node)] : [];
    const wasUp = last?.isUp ?? false;
    if (wasUp === node.isUp) return isNew;
    return [...isNew, aboutNode(node.isUp ? "node-up" : "node-down", after, node)];
  });
  return [...gone.map((node) => aboutNode("node-leave", after, node)), ...changed];
}

/** A path that is all right when it is tried first is no news, and neither is one to a host of which all know it is down. */
function pathChanges(before: ClusterView, after: ClusterView): ClusterHappening[] {
  const known = new Map(before.peers.map((peer) => [peer.nodeId, newsOf(peer)]));
  return after.peers.flatMap((peer) => {
    const node = after.nodes.find(({ id }) => id === peer.nodeId);
    const isNews = newsOf(peer) !== (known.get(peer.nodeId) ?? "ok");
    return isNews && node ? [aboutPath(after, node, peer)] : [];
  });
}

const newsOf = ({ state }: ClusterPeerView) => (state === "away" ? "ok" : state);

function aboutPath(view: ClusterView, node: ClusterNodeView, peer: ClusterPeerView): ClusterHappening {
  const { attributes, ...happening } = aboutNode(`path-${peer.state}`, view, node);
  return { ...happening, attributes: { ...attributes, ...(peer.trouble && { reason: peer.trouble }) } };
}

const frozen = (view: ClusterView) => about("frozen", view, view.trouble && { reason: view.trouble });

function about(action: string, view: ClusterView, more: Attributes | "" | undefined = {}): ClusterHappening {
  return { action, id: view.id, attributes: { node: view.nodeId, ...(more || {}) } };
}

function aboutNode(action: string, view: ClusterView, node: ClusterNodeView): ClusterHappening {
  const attributes = { name: node.name, address: formatAddress(node.address), cluster: view.id };
  return { action, id: node.id, attributes };
}
