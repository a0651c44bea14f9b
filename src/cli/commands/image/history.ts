// history.

import { imagePath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { bool, formatFlag, text } from "../../flags/spec.ts";
import { historyFormat, historyLayout, historyRow } from "../../format/history.ts";
import { writeRows } from "../../format/rows.ts";
import { platformQuery } from "../../options/platform.ts";
import type { HistoryItem } from "../../wire.ts";

export const history: CommandSpec = {
  usage: "[OPTIONS] IMAGE",
  aliases: ["tsdocker image history", "tsdocker history"],
  args: exactArgs(1),
  flags: [
    bool("human", "Print sizes and dates in human readable format", { short: "H", initial: "true" }),
    bool("quiet", "Only show image IDs", { short: "q" }),
    bool("no-trunc", "Don't truncate output"),
    formatFlag,
    text(
      "platform",
      'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
      { since: "1.48" },
    ),
  ],
  async run({ session, flags, args }) {
    const query = { platform: platformQuery(flags.string("platform")) };
    const items = await session.client.get<HistoryItem[]>(imagePath(args[0] ?? "", "/history"), query);
    const human = flags.bool("human");
    const format = historyFormat(flags.string("format") || "table", { quiet: flags.bool("quiet"), human });
    const rows = items.map((item) => historyRow(item, { truncate: !flags.bool("no-trunc"), human }));
    writeRows(session.out, format, historyLayout, rows);
  },
};
