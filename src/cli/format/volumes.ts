// Rows of `volume ls` and of the volumes in `system df -v`.

import type { Volume } from "../wire.ts";
import { joinLabels, type ListLayout, type Row } from "./rows.ts";
import { humanSize } from "./units.ts";

export const volumeLayout: ListLayout = {
  typeName: "*formatter.volumeContext",
  headers: {
    ID: "ID",
    Name: "VOLUME NAME",
    Group: "GROUP",
    Driver: "DRIVER",
    Scope: "SCOPE",
    Availability: "AVAILABILITY",
    Mountpoint: "MOUNTPOINT",
    Labels: "LABELS",
    Links: "LINKS",
    Size: "SIZE",
    Status: "STATUS",
  },
};

/** The template behind `table` and `raw`; others are the user's own. */
export function volumeFormat(source: string, quiet: boolean): string {
  if (source === "table") return quiet ? "{{.Name}}" : "table {{.Driver}}\t{{.Name}}";
  if (source === "raw") return quiet ? "name: {{.Name}}" : "name: {{.Name}}\ndriver: {{.Driver}}\n";
  return source;
}

/** The fields of a volume, each worked out when a template asks for it. */
export function volumeRow(v: Volume): Row {
  return {
    Name: () => v.Name,
    Driver: () => v.Driver,
    Scope: () => v.Scope,
    Mountpoint: () => v.Mountpoint,
    Labels: () => joinLabels(v.Labels),
    Label: (name: string) => v.Labels?.[name] ?? "",
    Links: () => (v.UsageData ? String(v.UsageData.RefCount) : "N/A"),
    Size: () => (v.UsageData ? humanSize(v.UsageData.Size) : "N/A"),
    Group: () => "N/A",
    Availability: () => "N/A",
    Status: () => "N/A",
  };
}
