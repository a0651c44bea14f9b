// cluster status.

import { type CommandSpec, noArgs } from "../../command.ts";
import { inspectFormatFlag } from "../../flags/spec.ts";
import { statusText } from "../../format/cluster.ts";
import type { ClusterInspect } from "../../wire.ts";
import { formatDocument } from "../inspect.ts";

export const status: CommandSpec = {
  usage: "[OPTIONS]",
  long: `Show the cluster as this host sees it

While the store is away that is what was last known, and the reason.`,
  args: noArgs,
  flags: [inspectFormatFlag],
  async run({ session, flags }) {
    const format = flags.string("format");
    const query = { health: "1" };
    if (format !== "") {
      const text = await session.client.text("GET", "/cluster", { query });
      return session.out.write(`${formatDocument(text, format)}\n`);
    }
    const cluster = await session.client.get<ClusterInspect>("/cluster", query);
    session.out.write(statusText(cluster));
    for (const warning of cluster.Health?.Warnings ?? []) session.err.line(`WARNING: ${warning}`);
  },
};
