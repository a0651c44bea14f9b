// network disconnect.

import { networkPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { bool } from "../../flags/spec.ts";

export const disconnect: CommandSpec = {
  usage: "[OPTIONS] NETWORK CONTAINER",
  args: exactArgs(2),
  flags: [bool("force", "Force the container to disconnect from a network", { short: "f" })],
  async run({ session, flags, args }) {
    const [network = "", container = ""] = args;
    const json = { Container: container, Force: flags.bool("force") };
    await session.client.post(networkPath(network, "/disconnect"), { json });
  },
};
