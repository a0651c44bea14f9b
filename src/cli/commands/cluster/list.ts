// cluster ls.

import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, formatFlag } from "../../flags/spec.ts";
import { nodeFormat, nodeLayout, nodeRow } from "../../format/cluster.ts";
import { compareNatural } from "../../format/natural.ts";
import { writeRows } from "../../format/rows.ts";
import type { ClusterInspect } from "../../wire.ts";

export const list: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker cluster ls", "tsdocker cluster list"],
  args: noArgs,
  flags: [
    bool("quiet", "Only display IDs", { short: "q" }),
    bool("no-trunc", "Do not truncate the output"),
    formatFlag,
  ],
  async run({ session, flags }) {
    const cluster = await session.client.get<ClusterInspect>("/cluster");
    const quiet = flags.bool("quiet");
    const rows = cluster.Nodes.toSorted((a, b) => compareNatural(a.Name, b.Name)).map((node) =>
      nodeRow(node, !flags.bool("no-trunc")),
    );
    const format = nodeFormat(flags.string("format") || "table", quiet);
    writeRows(session.out, format, nodeLayout, rows);
    if (cluster.State === "frozen")
      session.err.line(`WARNING: the store is away (${cluster.Trouble}): this is what was last known`);
  },
};
