// volume create.

import { type CommandSpec, maxArgs } from "../../command.ts";
import { list, map, text } from "../../flags/spec.ts";
import { checkLabel } from "../../options/checks.ts";
import { toMap } from "../../options/key-values.ts";

export const create: CommandSpec = {
  usage: "[OPTIONS] [VOLUME]",
  args: maxArgs(1),
  flags: [
    text("driver", "Specify volume driver name", { short: "d", initial: "local" }),
    text("name", "Specify volume name", { hidden: true }),
    map("opt", "Set driver specific options", { short: "o" }),
    list("label", "Set metadata for a volume", { check: checkLabel }),
  ],
  async run({ session, flags, args }) {
    const named = flags.string("name");
    if (named !== "" && args.length > 0) {
      throw new Error(
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    }
    const json = {
      Name: args[0] ?? named,
      Driver: flags.string("driver"),
      DriverOpts: toMap(flags.list("opt")),
      Labels: toMap(flags.list("label")),
    };
    const volume = await session.client.post<{ Name: string }>("/volumes/create", { json });
    session.out.line(volume.Name);
  },
};
