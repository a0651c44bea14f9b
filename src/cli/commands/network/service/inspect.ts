// network service inspect.

import { servicePath } from "../../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../../command.ts";
import { inspectFormatFlag } from "../../../flags/spec.ts";
import { inspectAll } from "../../inspect.ts";

export const inspect: CommandSpec = {
  usage: "[OPTIONS] NETWORK SERVICE [SERVICE...]",
  args: minArgs(2),
  flags: [inspectFormatFlag],
  run: ({ session, flags, args }) => {
    const [network = "", ...names] = args;
    return inspectAll(session, names, flags.string("format"), (name) =>
      session.client.text("GET", servicePath(network, name)),
    );
  },
};
