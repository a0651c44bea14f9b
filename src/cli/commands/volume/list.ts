// volume ls.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, filter, formatFlag } from "../../flags/spec.ts";
import { compareNatural } from "../../format/natural.ts";
import { writeRows } from "../../format/rows.ts";
import { volumeFormat, volumeLayout, volumeRow } from "../../format/volumes.ts";
import type { Volume } from "../../wire.ts";

export const list: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker volume ls", "tsdocker volume list"],
  args: noArgs,
  flags: [
    bool("quiet", "Only display volume names", { short: "q" }),
    formatFlag,
    filter("filter", 'Provide filter values (e.g. "dangling=true")', { short: "f", check: checkFilter }),
  ],
  async run({ session, flags }) {
    const query = { filters: filtersQuery(flags.list("filter")) };
    const { Volumes: volumes } = await session.client.get<{ Volumes: Volume[] | null }>("/volumes", query);
    const quiet = flags.bool("quiet");
    const configured = quiet ? undefined : session.config.content.volumesFormat;
    const format = volumeFormat(flags.string("format") || configured || "table", quiet);
    const rows = (volumes ?? []).toSorted((a, b) => compareNatural(a.Name, b.Name)).map(volumeRow);
    writeRows(session.out, format, volumeLayout, rows);
  },
};
