// volume prune.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { compareVersions } from "../../client/versions.ts";
import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, filter } from "../../flags/spec.ts";
import { humanSize } from "../../format/units.ts";
import type { Session } from "../../session.ts";
import { confirm, pruneFilters } from "../confirm.ts";

const warning = (which: string) =>
  `WARNING! This will remove ${which} local volumes not used by at least one container.\nAre you sure you want to continue?`;

export const prune: CommandSpec = {
  usage: "[OPTIONS]",
  args: noArgs,
  flags: [
    bool("all", "Remove all unused volumes, not just anonymous ones", { short: "a", since: "1.42" }),
    bool("force", "Do not prompt for confirmation", { short: "f" }),
    filter("filter", 'Provide filter values (e.g. "label=<label>")', { check: checkFilter }),
  ],
  async run({ session, flags }) {
    const filters = [...flags.list("filter")];
    const takesAll = compareVersions(await session.client.version(), "1.42") >= 0;
    if (takesAll && flags.bool("all")) {
      if (filters.some((one) => one.startsWith("all="))) {
        throw new Error("conflicting options: cannot specify both --all and --filter all=1");
      }
      filters.push("all=true");
    }
    const which = takesAll && !flags.bool("all") ? "anonymous" : "all";
    if (!flags.bool("force") && !confirm(session, warning(which))) return;
    const { reclaimed, text } = await pruneVolumes(session, filters);
    if (text !== "") session.out.line(text);
    session.out.line("Total reclaimed space:", humanSize(reclaimed));
  },
};

/** Removes unused volumes; what to print, and the bytes that are free again. */
export async function pruneVolumes(
  session: Session,
  filters: readonly string[],
): Promise<{ reclaimed: number; text: string }> {
  const query = { filters: filtersQuery(pruneFilters(session, filters)) };
  type Report = { VolumesDeleted: string[] | null; SpaceReclaimed: number };
  const report = await session.client.post<Report>("/volumes/prune", { query });
  const deleted = report.VolumesDeleted ?? [];
  if (deleted.length === 0) return { reclaimed: 0, text: "" };
  return {
    reclaimed: report.SpaceReclaimed ?? 0,
    text: `Deleted Volumes:\n${deleted.map((id) => `${id}\n`).join("")}`,
  };
}
