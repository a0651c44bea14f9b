// Help texts in Docker's layout.

import type { CommandSpec } from "./command.ts";
import type { FlagSpec } from "./flags/spec.ts";
import { flagUsages } from "./flags/usage.ts";
import type { Streams } from "./streams.ts";
import { type CommandEntry, type GroupEntry, isGroup, type TreeEntry } from "./tree/entry.ts";

const namePadding = 11;

/** Columns for wrapping: the terminal's at stdin, else 80. */
function columnsOf(streams: Streams): number {
  const columns = streams.out.isTerminal ? process.stdout.columns : undefined;
  return (columns ?? 80) - 1;
}

/** Help of one command. `path` is the words it was called by. */
export function commandHelp(spec: CommandSpec, path: string, short: string, streams: Streams): string {
  const parts = [`Usage:  ${path} ${spec.usage}`.trimEnd(), spec.long ?? short];
  if (spec.aliases) parts.push(`Aliases:\n  ${spec.aliases.join(", ")}`);
  if (spec.flags.some((flag) => !flag.hidden)) {
    parts.push(`Options:\n${flagUsages(spec.flags, columnsOf(streams))}`);
  }
  return `${parts.join("\n\n")}\n`;
}

/** Help of `network`, `container`, …. */
export function groupHelp(group: GroupEntry, path: string): string {
  return [
    `Usage:  ${path} COMMAND`,
    group.short,
    section("Commands", group.commands, namePadding),
    `Run '${path} COMMAND --help' for more information on a command.\n`,
  ].join("\n\n");
}

/** Help of the program itself. */
export function rootHelp(
  tree: readonly TreeEntry[],
  options: { name: string; short: string; flags: readonly FlagSpec[]; streams: Streams },
): string {
  const { name, short, flags, streams } = options;
  const commands = tree.filter((entry): entry is CommandEntry => !isGroup(entry));
  const common = commands
    .filter((entry) => entry.rank !== undefined)
    .toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  return [
    `Usage:  ${name} [OPTIONS] COMMAND`,
    short,
    section("Common Commands", common, namePadding, false),
    section("Management Commands", tree.filter(isGroup), namePadding),
    section(
      "Commands",
      commands.filter((entry) => entry.rank === undefined),
      namePadding,
    ),
    `Global Options:\n${flagUsages(flags, columnsOf(streams))}`,
    `Run '${name} COMMAND --help' for more information on a command.\n`,
  ].join("\n\n");
}

function section(title: string, entries: readonly TreeEntry[], padding: number, sorted = true): string {
  const shown = sorted ? entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)) : entries;
  return `${title}:\n${shown.map((entry) => `  ${entry.name.padEnd(padding)} ${entry.short}`).join("\n")}`;
}
