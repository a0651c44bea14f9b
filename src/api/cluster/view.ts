// The cluster on the wire.

import type {
  ClusterHealth,
  ClusterNodeView,
  ClusterPeerView,
  ClusterToken,
  ClusterView,
} from "../../engine/types.ts";
import { formatAddress } from "../../netip/index.ts";
import type {
  ClusterHealthBody,
  ClusterInspect,
  ClusterNodeBody,
  ClusterPeerBody,
  ClusterTokenBody,
} from "../schemas/cluster.ts";
import { formatTime } from "../time.ts";

export function clusterWire(view: ClusterView, health?: ClusterHealth): ClusterInspect {
  return {
    ID: view.id,
    State: view.state,
    Trouble: view.trouble ?? "",
    Revision: view.revision,
    NodeID: view.nodeId,
    Store: { Kind: view.store.kind, Address: view.store.address },
    Nodes: view.nodes.map(nodeWire),
    Peers: view.peers.map(pathWire),
    Warnings: view.warnings.map(({ nodeId, text }) => ({ NodeID: nodeId, Text: text })),
    ...(health && { Health: healthWire(health) }),
  };
}

export function nodeWire(node: ClusterNodeView): ClusterNodeBody {
  return {
    ID: node.id,
    Name: node.name,
    Address: formatAddress(node.address),
    DataPort: node.dataPort,
    Role: node.role,
    Status: node.isUp ? "up" : "down",
    Version: node.version,
    Self: node.isSelf,
  };
}

function healthWire({ voters, healthy, tolerates, warnings }: ClusterHealth): ClusterHealthBody {
  return { Voters: voters, Healthy: healthy, Tolerates: tolerates, Warnings: warnings };
}

export function tokenWire(token: ClusterToken): ClusterTokenBody {
  return {
    ID: token.id,
    Role: token.admits,
    CreatedAt: formatTime(token.createdAt),
    ExpiresAt: formatTime(token.expiresAt),
    Used: token.used,
    ...(token.uses !== undefined && { Uses: token.uses }),
  };
}

/** How the path to another host is. */
export function pathWire(peer: ClusterPeerView): ClusterPeerBody {
  return {
    NodeID: peer.nodeId,
    Path: peer.state,
    ...(peer.roundTripMs !== undefined && { RoundTripMs: peer.roundTripMs }),
    ...(peer.mtu !== undefined && { MTU: peer.mtu }),
    Trouble: peer.trouble ?? "",
    ...(peer.checkedAt && { CheckedAt: formatTime(peer.checkedAt) }),
  };
}
