// Hosts of a cluster, its tokens and its state, for people.

import type {
  ClusterHealthBody,
  ClusterInspect,
  ClusterNodeBody,
  ClusterPeerBody,
  ClusterTokenBody,
} from "../wire.ts";
import { type ListLayout, type Row, truncateId } from "./rows.ts";
import { alignColumns } from "./table.ts";
import { goTimeOf } from "./time.ts";

export const nodeLayout: ListLayout = {
  typeName: "*cluster.nodeContext",
  headers: {
    ID: "ID",
    Name: "NAME",
    Address: "ADDRESS",
    DataPort: "DATA PORT",
    Role: "ROLE",
    Status: "STATUS",
    Version: "VERSION",
    Self: "",
  },
};

const nodeTable =
  "table {{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Name}}\t{{.Address}}\t{{.Role}}\t{{.Status}}\t{{.Version}}";

/** The template behind `table`; others are the user's own. */
export function nodeFormat(source: string, quiet: boolean): string {
  if (source === "table") return quiet ? "{{.ID}}" : nodeTable;
  return source;
}

export function nodeRow(node: ClusterNodeBody, truncate: boolean): Row {
  return {
    ID: () => (truncate ? truncateId(node.ID) : node.ID),
    Name: () => node.Name,
    Address: () => node.Address,
    DataPort: () => String(node.DataPort),
    Role: () => node.Role,
    Status: () => node.Status,
    Version: () => node.Version,
    Self: () => node.Self,
  };
}

export const tokenLayout: ListLayout = {
  typeName: "*cluster.tokenContext",
  headers: { ID: "ID", Role: "ADMITS", ExpiresAt: "EXPIRES AT", CreatedAt: "CREATED AT", Used: "USED" },
};

/** The template behind `table`; others are the user's own. */
export const tokenFormat = (source: string) =>
  source === "table" ? "table {{.ID}}\t{{.Role}}\t{{.ExpiresAt}}\t{{.Used}}" : source;

export function tokenRow(token: ClusterTokenBody): Row {
  return {
    ID: () => token.ID,
    Role: () => token.Role,
    CreatedAt: () => goTimeOf(token.CreatedAt),
    ExpiresAt: () => goTimeOf(token.ExpiresAt),
    Used: () => (token.Uses === undefined ? String(token.Used) : `${token.Used} of ${token.Uses}`),
  };
}

/** `tsdocker cluster status`. */
export function statusText(cluster: ClusterInspect): string {
  const self = cluster.Nodes.find(({ Self }) => Self);
  const up = cluster.Nodes.filter(({ Status }) => Status === "up").length;
  const members = cluster.Nodes.filter(({ Role }) => Role === "member").length;
  const facts = [
    ["Cluster:", cluster.ID],
    ["State:", cluster.State === "frozen" ? `frozen: ${cluster.Trouble}` : cluster.State],
    ["This host:", self ? `${self.Name} (${self.Address}), ${self.Role}` : cluster.NodeID],
    ["Store:", storeText(cluster)],
    ...(cluster.Health ? [["Members:", healthText(cluster.Health)]] : []),
    ["Revision:", String(cluster.Revision)],
    ["Hosts:", `${cluster.Nodes.length}, ${up} up, ${members} ${members === 1 ? "member" : "members"}`],
  ];
  const lines = alignColumns(facts.map((line) => `${line.join("\t")}\n`).join(""));
  const troubles = hostTroubles(cluster);
  return [
    ...[lines, ...(cluster.State === "frozen" ? [frozenText] : []), hostTable(cluster)],
    ...(troubles === "" ? [] : [troubles]),
  ].join("\n");
}

/** A line for each path that is not all right, and for what else somebody should see to. */
function hostTroubles({ Nodes, Peers, Warnings = [] }: ClusterInspect): string {
  const names = new Map(Nodes.map(({ ID, Name }) => [ID, Name]));
  const paths = Peers.map(({ NodeID, Trouble }) => ({ NodeID, Text: Trouble }));
  const troubles = [...paths, ...Warnings].filter(({ Text }) => Text !== "");
  return troubles.map(({ NodeID, Text }) => `${names.get(NodeID) ?? NodeID}: ${Text}\n`).join("");
}

const frozenText = `Until the store answers, networks, addresses and services of the cluster cannot be changed, and
what other hosts change is not seen here. What runs goes on; networks of this host alone are as ever.
`;

function healthText({ Voters, Healthy, Tolerates }: ClusterHealthBody): string {
  const answering = `${Healthy} of ${Voters} ${Voters === 1 ? "answers" : "answer"}`;
  if (Tolerates < 1) return `${answering}, none may fail`;
  return `${answering}, ${Tolerates} may fail`;
}

function storeText({ Store, Nodes }: ClusterInspect): string {
  if (Store.Kind === "external") return Store.Address;
  const members = Nodes.filter(({ Role }) => Role === "member").map(({ Name }) => Name);
  return `etcd, run by tsdocker on ${members.join(", ") || "no host"}`;
}

function hostTable({ Nodes, Peers }: ClusterInspect): string {
  const paths = new Map(Peers.map((peer) => [peer.NodeID, peer]));
  // a host that tries no paths has nothing to say of them
  const more = (cells: () => readonly string[]) => (Peers.length === 0 ? [] : cells());
  const rows = Nodes.map((node) => [
    ...[node.Name, node.Address, node.Role, node.Self ? `${node.Status}, this host` : node.Status],
    ...more(() => pathCells(node, paths.get(node.ID))),
  ]);
  const table = [["HOST", "ADDRESS", "ROLE", "STATUS", ...more(() => ["PATH", "RTT", "MTU"])], ...rows];
  return alignColumns(table.map((cells) => `${cells.join("\t")}\n`).join(""));
}

/** Whether packets pass to that host, how fast, and how large. */
function pathCells(node: ClusterNodeBody, peer: ClusterPeerBody | undefined): string[] {
  if (node.Self) return ["", "", ""];
  if (!peer) return ["not tried", "", ""];
  const roundTrip = peer.RoundTripMs === undefined ? "" : `${peer.RoundTripMs.toFixed(2)} ms`;
  return [peer.Path, roundTrip, peer.MTU === undefined ? "" : String(peer.MTU)];
}
