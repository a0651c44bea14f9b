// image prune.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, noArgs } from "../../command.ts";
import { bool, filter } from "../../flags/spec.ts";
import { humanSize } from "../../format/units.ts";
import type { Session } from "../../session.ts";
import { confirm, pruneFilters } from "../confirm.ts";

const question = "Are you sure you want to continue?";

export const prune: CommandSpec = {
  usage: "[OPTIONS]",
  args: noArgs,
  flags: [
    bool("force", "Do not prompt for confirmation", { short: "f" }),
    bool("all", "Remove all unused images, not just dangling ones", { short: "a" }),
    filter("filter", 'Provide filter values (e.g. "until=<timestamp>")', { check: checkFilter }),
  ],
  async run({ session, flags }) {
    const all = flags.bool("all");
    const what = all ? "images without at least one container associated to them" : "dangling images";
    const warning = `WARNING! This will remove all ${what}.\n${question}`;
    if (!flags.bool("force") && !confirm(session, warning)) return;
    const { reclaimed, text } = await pruneImages(session, flags.list("filter"), all);
    if (text !== "") session.out.line(text);
    session.out.line("Total reclaimed space:", humanSize(reclaimed));
  },
};

interface Report {
  readonly ImagesDeleted: readonly { readonly Untagged?: string; readonly Deleted?: string }[] | null;
  readonly SpaceReclaimed: number;
}

/** Removes dangling images, or all unused ones; what to print, and the bytes that are free again. */
export async function pruneImages(
  session: Session,
  filters: readonly string[],
  all: boolean,
): Promise<{ reclaimed: number; text: string }> {
  const query = { filters: filtersQuery(pruneFilters(session, [...filters, `dangling=${!all}`])) };
  const report = await session.client.post<Report>("/images/prune", { query });
  const lines = (report.ImagesDeleted ?? []).map((one) =>
    one.Untagged ? `untagged: ${one.Untagged}\n` : `deleted: ${one.Deleted}\n`,
  );
  if (lines.length === 0) return { reclaimed: 0, text: "" };
  return { reclaimed: report.SpaceReclaimed ?? 0, text: `Deleted Images:\n${lines.join("")}` };
}
