// container inspect.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { bool, inspectFormatFlag } from "../../flags/spec.ts";
import { inspectAll } from "../inspect.ts";

export const inspect: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: minArgs(1),
  flags: [inspectFormatFlag, bool("size", "Display total file sizes", { short: "s" })],
  run: ({ session, flags, args }) =>
    inspectAll(session, args, flags.string("format"), (name) =>
      session.client.text("GET", containerPath(name, "/json"), { query: { size: flags.bool("size") } }),
    ),
};
