// Rows of `ps`.

import { goQuote } from "../template/strings.ts";
import type { ContainerSummary, Platform } from "../wire.ts";
import { formatPorts } from "./ports.ts";
import { familiarName, parseReference } from "./reference.ts";
import { joinLabels, type ListLayout, type Row, truncateId } from "./rows.ts";
import { ellipsis } from "./table.ts";
import { goTime } from "./time.ts";
import { ago, humanSize } from "./units.ts";

export const containerLayout: ListLayout = {
  typeName: "*formatter.ContainerContext",
  headers: {
    ID: "CONTAINER ID",
    Names: "NAMES",
    Image: "IMAGE",
    Command: "COMMAND",
    CreatedAt: "CREATED AT",
    RunningFor: "CREATED",
    Ports: "PORTS",
    State: "STATE",
    Status: "STATUS",
    Size: "SIZE",
    Labels: "LABELS",
    Mounts: "MOUNTS",
    LocalVolumes: "LOCAL VOLUMES",
    Networks: "NETWORKS",
    Platform: "PLATFORM",
  },
};

const tableFormat =
  "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const rawFormat = `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
`;

/** The template for `--format`, -q and -s together. */
export function containerFormat(source: string, options: { quiet: boolean; size: boolean }): string {
  if (source === "" || source === "table") {
    return options.quiet ? "{{.ID}}" : tableFormat + (options.size ? "\t{{.Size}}" : "");
  }
  if (source === "raw") {
    return options.quiet ? "container_id: {{.ID}}" : rawFormat + (options.size ? "size: {{.Size}}\n" : "");
  }
  return options.quiet ? "{{.ID}}" : source;
}

/** The fields of a container, each worked out when a template asks for it. */
export function containerRow(c: ContainerSummary, truncate: boolean): Row {
  return {
    ID: () => (truncate ? truncateId(c.Id) : c.Id),
    Names: () => names(c, truncate),
    Image: () => image(c, truncate),
    Command: () => goQuote(truncate ? ellipsis(c.Command, 20) : c.Command),
    CreatedAt: () => goTime(c.Created),
    RunningFor: () => ago(c.Created),
    Platform: () => platform(c.ImageManifestDescriptor?.platform),
    Ports: () => formatPorts(c.Ports ?? []),
    State: () => c.State,
    Status: () => c.Status,
    Size: () => size(c),
    Labels: () => joinLabels(c.Labels),
    Label: (name: string) => c.Labels?.[name] ?? "",
    Mounts: () => mounts(c, truncate),
    LocalVolumes: () => String((c.Mounts ?? []).filter((mount) => mount.Driver === "local").length),
    Networks: () => Object.keys(c.NetworkSettings?.Networks ?? {}).join(","),
  };
}

function names(c: ContainerSummary, truncate: boolean): string {
  const all = c.Names.map((name) => name.slice(1));
  const own = truncate ? all.find((name) => !name.includes("/")) : undefined;
  return own ?? all.join(",");
}

/** The name without its digest; the short id when the image has lost its name. */
function image(c: ContainerSummary, truncate: boolean): string {
  if (c.Image === "") return "<no image>";
  if (!truncate) return c.Image;
  if (truncateId(c.ImageID) === truncateId(c.Image)) return truncateId(c.ImageID);
  try {
    const ref = parseReference(c.Image);
    return familiarName(ref) + (ref.tag ? `:${ref.tag}` : "");
  } catch {
    return c.Image; // an id, or what an older daemon wrote
  }
}

function size(c: ContainerSummary): string {
  const own = humanSize(c.SizeRw ?? 0, 3);
  return c.SizeRootFs ? `${own} (virtual ${humanSize(c.SizeRootFs, 3)})` : own;
}

function mounts(c: ContainerSummary, truncate: boolean): string {
  const all = (c.Mounts ?? []).map((mount) => mount.Name || mount.Source);
  return all.map((name) => (truncate ? ellipsis(name, 15) : name)).join(",");
}

function platform(value: Platform | null | undefined): unknown {
  if (!value) return null;
  const text = [value.os, value.architecture, value.variant].filter(Boolean).join("/");
  return Object.defineProperty({ ...value }, "toGoString", { value: () => text });
}
