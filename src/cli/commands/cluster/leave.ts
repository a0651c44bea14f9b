// cluster leave.

import { type CommandSpec, noArgs } from "../../command.ts";
import { bool } from "../../flags/spec.ts";

export const leave: CommandSpec = {
  usage: "[OPTIONS]",
  long: `Leave the cluster

Refused while containers of this host use networks of the cluster, while the store is away, and for the last
member. Forced, the containers are stopped; what the others have on record of this host they then remove with
"tsdocker cluster rm".`,
  args: noArgs,
  flags: [bool("force", "Leave all the same", { short: "f" })],
  async run({ session, flags }) {
    const query = { force: flags.bool("force") ? "1" : undefined };
    await session.client.post("/cluster/leave", { query });
    session.out.line("This host left the cluster.");
  },
};
