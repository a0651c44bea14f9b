// network inspect.

import { networkPath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { bool, inspectFormatFlag } from "../../flags/spec.ts";
import { inspectAll } from "../inspect.ts";

export const inspect: CommandSpec = {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  args: minArgs(1),
  flags: [inspectFormatFlag, bool("verbose", "Verbose output for diagnostics", { short: "v" })],
  run: ({ session, flags, args }) =>
    inspectAll(session, args, flags.string("format"), (name) =>
      session.client.text("GET", networkPath(name), {
        query: { verbose: flags.bool("verbose") ? "true" : undefined },
      }),
    ),
};
