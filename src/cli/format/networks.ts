// Rows of `network ls`.

import type { NetworkSummary } from "../wire.ts";
import { joinLabels, type ListLayout, type Row, truncateId } from "./rows.ts";
import { goTimeOf } from "./time.ts";

export const networkLayout: ListLayout = {
  typeName: "*network.networkContext",
  headers: {
    ID: "NETWORK ID",
    Name: "NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    IPv4: "IPV4",
    IPv6: "IPV6",
    Internal: "INTERNAL",
    Labels: "LABELS",
    CreatedAt: "CREATED AT",
  },
};

/** The template behind `table` and `raw`; others are the user's own. */
export function networkFormat(source: string, quiet: boolean): string {
  if (source === "table") return quiet ? "{{.ID}}" : "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
  if (source !== "raw") return source;
  const full = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
  return quiet ? "network_id: {{.ID}}" : full;
}

/** The fields of a network, each worked out when a template asks for it. */
export function networkRow(n: NetworkSummary, truncate: boolean): Row {
  return {
    ID: () => (truncate ? truncateId(n.Id) : n.Id),
    Name: () => n.Name,
    Driver: () => n.Driver,
    Scope: () => n.Scope,
    IPv4: () => String(n.EnableIPv4 ?? false),
    IPv6: () => String(n.EnableIPv6 ?? false),
    Internal: () => String(n.Internal ?? false),
    Labels: () => joinLabels(n.Labels),
    Label: (name: string) => n.Labels?.[name] ?? "",
    CreatedAt: () => goTimeOf(n.Created),
  };
}
