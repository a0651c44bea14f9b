// plugin inspect.

import { pluginPath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { inspectFormatFlag } from "../../flags/spec.ts";
import { inspectAll } from "../inspect.ts";

export const inspect: CommandSpec = {
  usage: "[OPTIONS] PLUGIN [PLUGIN...]",
  args: minArgs(1),
  flags: [inspectFormatFlag],
  run: ({ session, flags, args }) =>
    inspectAll(session, args, flags.string("format"), (name) =>
      session.client.text("GET", pluginPath(name, "/json")),
    ),
};
