// cluster rm.

import { errorMessage } from "../../../util/errors.ts";
import { clusterNodePath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { bool } from "../../flags/spec.ts";

export const rm: CommandSpec = {
  usage: "[OPTIONS] NODE [NODE...]",
  aliases: ["tsdocker cluster rm", "tsdocker cluster remove"],
  long: `Remove one or more hosts that are gone for good

Their certificates are good no longer, and their addresses are free for others. A host that is up should leave by
itself ("tsdocker cluster leave"); forced, it is shut out.`,
  args: minArgs(1),
  flags: [bool("force", "Remove a host that is up", { short: "f" })],
  async run({ session, flags, args }) {
    const query = { force: flags.bool("force") ? "1" : undefined };
    const errors: string[] = [];
    for (const name of args) {
      try {
        await session.client.delete(clusterNodePath(name), query);
        session.out.line(name);
      } catch (error) {
        errors.push(errorMessage(error));
      }
    }
    if (errors.length > 0) throw new StatusError(1, errors.join("\n"));
  },
};
