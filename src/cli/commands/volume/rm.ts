// volume rm.

import { volumePath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { bool } from "../../flags/spec.ts";
import { forEachNameInTurn } from "../parallel.ts";

export const rm: CommandSpec = {
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  long: "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
  aliases: ["tsdocker volume rm", "tsdocker volume remove"],
  args: minArgs(1),
  flags: [bool("force", "Force the removal of one or more volumes", { short: "f", since: "1.25" })],
  run: ({ session, flags, args }) =>
    forEachNameInTurn(session, args, (name) =>
      session.client.delete(volumePath(name), { force: flags.bool("force") }),
    ),
};
