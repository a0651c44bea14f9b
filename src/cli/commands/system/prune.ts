// system prune: all prunes, one after another.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { ApiError } from "../../errors.ts";
import { bool, filter } from "../../flags/spec.ts";
import { compareNatural } from "../../format/natural.ts";
import { humanSize } from "../../format/units.ts";
import type { Session } from "../../session.ts";
import { confirm, pruneFilters } from "../confirm.ts";
import { pruneContainers } from "../container/prune.ts";
import { pruneImages } from "../image/prune.ts";
import { pruneNetworks } from "../network/prune.ts";
import { pruneVolumes } from "../volume/prune.ts";

export const prune: CommandSpec = {
  usage: "[OPTIONS]",
  args: noArgs,
  flags: [
    bool("force", "Do not prompt for confirmation", { short: "f" }),
    bool("all", "Remove all unused images not just dangling ones", { short: "a" }),
    bool("volumes", "Prune anonymous volumes"),
    filter("filter", 'Provide filter values (e.g. "label=<key>=<value>")', {
      since: "1.28",
      check: checkFilter,
    }),
  ],
  run: runPrune,
};

async function runPrune({ session, flags }: Invocation): Promise<void> {
  const filters = flags.list("filter");
  const all = flags.bool("all");
  const volumes = flags.bool("volumes");
  if (volumes && filters.some((one) => one.startsWith("until="))) {
    throw new Error('ERROR: The "until" filter is not supported with "--volumes"');
  }
  if (!flags.bool("force") && !confirm(session, question(session, { filters, all, volumes }))) {
    return;
  }
  const steps = [
    () => pruneContainers(session, filters),
    () => pruneNetworks(session, filters),
    ...(volumes ? [() => pruneVolumes(session, filters)] : []),
    () => pruneImages(session, filters, all),
    () => pruneBuildCache(session, filters, all),
  ];
  let total = 0;
  for (const step of steps) {
    const { reclaimed, text } = await step();
    total += reclaimed;
    if (text !== "") session.out.line(text);
  }
  session.out.line("Total reclaimed space:", humanSize(total));
}

function question(
  session: Session,
  options: { filters: readonly string[]; all: boolean; volumes: boolean },
): string {
  const { all, volumes } = options;
  const kinds = [
    "all stopped containers",
    "all networks not used by at least one container",
    ...(volumes ? ["all anonymous volumes not used by at least one container"] : []),
    all ? "all images without at least one container associated to them" : "all dangling images",
    all ? "all build cache" : "unused build cache",
  ];
  const filters = pruneFilters(session, options.filters)
    .filter((one) => /^(label!?|until)=/.test(one))
    .toSorted(compareNatural);
  const items = (lines: readonly string[]) => lines.map((line) => `\n  - ${line}`).join("");
  const filtered =
    filters.length > 0 ? `\n  Items to be pruned will be filtered with:${items(filters)}\n` : "";
  return `WARNING! This will remove:${items(kinds)}\n${filtered}\nAre you sure you want to continue?`;
}

/** An engine without a builder has no cache: its refusal is no error here. */
async function pruneBuildCache(
  session: Session,
  filters: readonly string[],
  all: boolean,
): Promise<{ reclaimed: number; text: string }> {
  type Report = { CachesDeleted?: string[] | null; SpaceReclaimed: number };
  const query = { all, filters: filtersQuery(pruneFilters(session, filters)) };
  try {
    const report = await session.client.post<Report>("/build/prune", { query });
    const deleted = report.CachesDeleted ?? [];
    const text =
      deleted.length > 0 ? `Deleted build cache objects:\n${deleted.map((id) => `${id}\n`).join("")}` : "";
    return { reclaimed: report.SpaceReclaimed ?? 0, text };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 501))
      return { reclaimed: 0, text: "" };
    throw error;
  }
}
