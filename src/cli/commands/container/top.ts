// top.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { alignColumns } from "../../format/table.ts";

interface ProcessList {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[] | null;
}

export const top: CommandSpec = {
  usage: "CONTAINER [ps OPTIONS]",
  aliases: ["tsdocker container top", "tsdocker top"],
  args: minArgs(1),
  interspersed: false,
  flags: [],
  async run({ session, args }) {
    const [name = "", ...psArgs] = args;
    const list = await session.client.get<ProcessList>(containerPath(name, "/top"), {
      ps_args: psArgs.join(" "),
    });
    const lines = [list.Titles, ...(list.Processes ?? [])].map((cells) => `${cells.join("\t")}\n`);
    session.out.write(alignColumns(lines.join(""), { minWidth: 20, padding: 3 }));
  },
};
