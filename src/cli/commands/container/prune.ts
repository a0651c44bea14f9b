// container prune.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, filter } from "../../flags/spec.ts";
import { humanSize } from "../../format/units.ts";
import type { Session } from "../../session.ts";
import { confirm, pruneFilters } from "../confirm.ts";

const warning = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?";

export const prune: CommandSpec = {
  usage: "[OPTIONS]",
  args: noArgs,
  flags: [
    bool("force", "Do not prompt for confirmation", { short: "f" }),
    filter("filter", 'Provide filter values (e.g. "until=<timestamp>")', { check: checkFilter }),
  ],
  async run({ session, flags }) {
    if (!flags.bool("force") && !confirm(session, warning)) return;
    const { reclaimed, text } = await pruneContainers(session, flags.list("filter"));
    if (text !== "") session.out.line(text);
    session.out.line("Total reclaimed space:", humanSize(reclaimed));
  },
};

interface Report {
  readonly ContainersDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}

/** Removes stopped containers; what to print, and the bytes that are free again. */
export async function pruneContainers(
  session: Session,
  filters: readonly string[],
): Promise<{ reclaimed: number; text: string }> {
  const query = { filters: filtersQuery(pruneFilters(session, filters)) };
  const report = await session.client.post<Report>("/containers/prune", { query });
  const deleted = report.ContainersDeleted ?? [];
  if (deleted.length === 0) return { reclaimed: 0, text: "" };
  return {
    reclaimed: report.SpaceReclaimed ?? 0,
    text: `Deleted Containers:\n${deleted.map((id) => `${id}\n`).join("")}`,
  };
}
