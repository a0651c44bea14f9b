// kill.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { text } from "../../flags/spec.ts";
import { forEachName } from "../parallel.ts";

export const kill: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: ["tsdocker container kill", "tsdocker kill"],
  args: minArgs(1),
  flags: [text("signal", "Signal to send to the container", { short: "s" })],
  run: ({ session, flags, args }) =>
    forEachName(session, args, (name) =>
      session.client.post(containerPath(name, "/kill"), { query: { signal: flags.string("signal") } }),
    ),
};
