// diff.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";

interface Change {
  readonly Path: string;
  readonly Kind: number;
}

export const diff: CommandSpec = {
  usage: "CONTAINER",
  aliases: ["tsdocker container diff", "tsdocker diff"],
  args: exactArgs(1),
  flags: [],
  async run({ session, args }) {
    const [name = ""] = args;
    if (name === "") throw new Error("Container name cannot be empty");
    const changes = await session.client.get<Change[] | null>(containerPath(name, "/changes"));
    for (const change of changes ?? []) session.out.line("CAD".charAt(change.Kind), change.Path);
  },
};
