// plugin ls.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, filter, formatFlag } from "../../flags/spec.ts";
import { compareNatural } from "../../format/natural.ts";
import { pluginFormat, pluginLayout, pluginRow } from "../../format/plugins.ts";
import { writeRows } from "../../format/rows.ts";
import type { Plugin } from "../../wire.ts";

export const list: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker plugin ls", "tsdocker plugin list"],
  args: noArgs,
  flags: [
    bool("quiet", "Only display plugin IDs", { short: "q" }),
    bool("no-trunc", "Don't truncate output"),
    formatFlag,
    filter("filter", 'Provide filter values (e.g. "enabled=true")', { short: "f", check: checkFilter }),
  ],
  async run({ session, flags }) {
    const query = { filters: filtersQuery(flags.list("filter")) };
    const plugins = await session.client.get<Plugin[] | null>("/plugins", query);
    const quiet = flags.bool("quiet");
    const configured = quiet ? undefined : session.config.content.pluginsFormat;
    const format = pluginFormat(flags.string("format") || configured || "table", quiet);
    const rows = (plugins ?? [])
      .toSorted((a, b) => compareNatural(a.Name, b.Name))
      .map((plugin) => pluginRow(plugin, { truncates: !flags.bool("no-trunc") }));
    writeRows(session.out, format, pluginLayout, rows);
  },
};
