// network ls.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, filter, formatFlag } from "../../flags/spec.ts";
import { compareNatural } from "../../format/natural.ts";
import { networkFormat, networkLayout, networkRow } from "../../format/networks.ts";
import { writeRows } from "../../format/rows.ts";
import type { NetworkSummary } from "../../wire.ts";

export const list: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker network ls", "tsdocker network list"],
  args: noArgs,
  flags: [
    bool("quiet", "Only display network IDs", { short: "q" }),
    bool("no-trunc", "Do not truncate the output"),
    formatFlag,
    filter("filter", 'Provide filter values (e.g. "driver=bridge")', { short: "f", check: checkFilter }),
  ],
  async run({ session, flags }) {
    const query = { filters: filtersQuery(flags.list("filter")) };
    const networks = await session.client.get<NetworkSummary[]>("/networks", query);
    const quiet = flags.bool("quiet");
    const configured = quiet ? undefined : session.config.content.networksFormat;
    const format = networkFormat(flags.string("format") || configured || "table", quiet);
    const rows = networks
      .toSorted((a, b) => compareNatural(a.Name, b.Name))
      .map((network) => networkRow(network, !flags.bool("no-trunc")));
    writeRows(session.out, format, networkLayout, rows);
  },
};
