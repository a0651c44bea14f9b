// ps, container ls.

import { errorMessage } from "../../../util/errors.ts";
import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { bool, filter, formatFlag, int } from "../../flags/spec.ts";
import { containerFormat, containerLayout, containerRow } from "../../format/containers.ts";
import { finishRow, writeRows } from "../../format/rows.ts";
import { parseTemplate } from "../../template/template.ts";
import type { ContainerSummary } from "../../wire.ts";

export const list: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker container ls", "tsdocker container list", "tsdocker container ps", "tsdocker ps"],
  args: noArgs,
  flags: [
    bool("quiet", "Only display container IDs", { short: "q" }),
    bool("size", "Display total file sizes", { short: "s" }),
    bool("all", "Show all containers (default shows just running)", { short: "a" }),
    bool("no-trunc", "Don't truncate output"),
    bool("latest", "Show the latest created container (includes all states)", { short: "l" }),
    int("last", "Show n last created containers (includes all states)", { short: "n", initial: "-1" }),
    formatFlag,
    filter("filter", "Filter output based on conditions provided", { short: "f", check: checkFilter }),
  ],
  run: runList,
};

async function runList({ session, flags }: Invocation): Promise<void> {
  const quiet = flags.bool("quiet");
  const given = flags.string("format");
  const format = given || session.config.content.psFormat || "";
  if (given && quiet) {
    session.err.line("WARNING: Ignoring custom format, because both --format and --quiet are set.");
  }
  const usesSize = given !== "" && usesSizeField(given);
  const size = flags.bool("size") || (usesSize && !quiet && !flags.changed("size"));
  const last = flags.number("last");
  const limit = flags.bool("latest") && last === -1 ? 1 : last;
  const containers = await session.client.get<ContainerSummary[]>("/containers/json", {
    all: flags.bool("all"),
    limit: limit > 0 ? limit : undefined,
    size,
    filters: filtersQuery(flags.list("filter")),
  });
  const rows = containers.map((container) => containerRow(container, !flags.bool("no-trunc")));
  writeRows(session.out, containerFormat(format, { quiet, size }), containerLayout, rows);
}

const blank: ContainerSummary = {
  Id: "",
  Names: [],
  Image: "",
  ImageID: "",
  Command: "",
  Created: 0,
  Ports: [],
  Labels: {},
  State: "",
  Status: "",
};

/** Tries the template on nothing: it says whether sizes are wanted, which cost the daemon time, and whether it is sound. */
function usesSizeField(format: string): boolean {
  const template = step("parse", () => parseTemplate(format));
  let used = false;
  const size = () => {
    used = true;
    return "";
  };
  const row = { ...containerRow(blank, true), Size: size };
  step("execute", () => template.run(finishRow(row, containerLayout.typeName)));
  return used;
}

function step<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`failed to ${what} template: ${errorMessage(error)}`);
  }
}
