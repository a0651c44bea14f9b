// Rows of `plugin ls`.

import type { Plugin } from "../wire.ts";
import type { ListLayout, Row } from "./rows.ts";

export const pluginLayout: ListLayout = {
  typeName: "*formatter.pluginContext",
  headers: {
    ID: "ID",
    Name: "NAME",
    Description: "DESCRIPTION",
    Enabled: "ENABLED",
    PluginReference: "PLUGINREFERENCE",
  },
};

/** The template behind `table` and `raw`; others are the user's own. */
export function pluginFormat(source: string, quiet: boolean): string {
  if (source === "table")
    return quiet ? "{{.ID}}" : "table {{.ID}}\t{{.Name}}\t{{.Description}}\t{{.Enabled}}";
  if (source !== "raw") return source;
  return quiet
    ? "plugin_id: {{.ID}}"
    : "plugin_id: {{.ID}}\nname: {{.Name}}\ndescription: {{.Description}}\nenabled: {{.Enabled}}\n";
}

/** The fields of a plugin, each worked out when a template asks for it. */
export function pluginRow(plugin: Plugin, { truncates }: { readonly truncates: boolean }): Row {
  const description = plugin.Config.Description.replaceAll("\n", " ").replaceAll("\r", " ");
  const isLong = truncates && description.length > 45;
  return {
    ID: () => (truncates ? plugin.Id.slice(0, 12) : plugin.Id),
    Name: () => plugin.Name,
    Description: () => (isLong ? `${description.slice(0, 44)}…` : description),
    Enabled: () => plugin.Enabled,
    PluginReference: () => plugin.PluginReference ?? "",
  };
}
