// network prune.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, filter } from "../../flags/spec.ts";
import type { Session } from "../../session.ts";
import { confirm, pruneFilters } from "../confirm.ts";

const warning =
  "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?";

export const prune: CommandSpec = {
  usage: "[OPTIONS]",
  args: noArgs,
  flags: [
    bool("force", "Do not prompt for confirmation", { short: "f" }),
    filter("filter", 'Provide filter values (e.g. "until=<timestamp>")', { check: checkFilter }),
  ],
  async run({ session, flags }) {
    if (!flags.bool("force") && !confirm(session, warning)) return;
    const { text } = await pruneNetworks(session, flags.list("filter"));
    if (text !== "") session.out.line(text);
  },
};

/** Removes unused networks; what to print. */
export async function pruneNetworks(
  session: Session,
  filters: readonly string[],
): Promise<{ reclaimed: number; text: string }> {
  const query = { filters: filtersQuery(pruneFilters(session, filters)) };
  const report = await session.client.post<{ NetworksDeleted: string[] | null }>("/networks/prune", {
    query,
  });
  const deleted = report.NetworksDeleted ?? [];
  const text = deleted.length > 0 ? `Deleted Networks:\n${deleted.map((id) => `${id}\n`).join("")}` : "";
  return { reclaimed: 0, text };
}
