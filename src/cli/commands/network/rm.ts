// network rm.

import { errorMessage } from "../../../util/errors.ts";
import { networkPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { isNotFound, StatusError } from "../../errors.ts";
import { bool } from "../../flags/spec.ts";
import type { Session } from "../../session.ts";
import type { NetworkSummary } from "../../wire.ts";
import { confirm } from "../confirm.ts";

const ingressWarning = `WARNING! Before removing the routing-mesh network, make sure all the nodes in your swarm run the same docker engine version. Otherwise, removal may not be effective and functionality of newly create ingress networks will be impaired.
Are you sure you want to continue?`;

export const rm: CommandSpec = {
  usage: "NETWORK [NETWORK...]",
  aliases: ["tsdocker network rm", "tsdocker network remove"],
  args: minArgs(1),
  flags: [bool("force", "Do not error if the network does not exist", { short: "f" })],
  run: runRm,
};

async function runRm({ session, flags, args }: Invocation): Promise<void> {
  let failed = false;
  for (const name of args) {
    if ((await isIngress(session, name)) && !confirm(session, ingressWarning)) continue;
    try {
      await session.client.delete(networkPath(name));
      session.out.line(name);
    } catch (error) {
      if (flags.bool("force") && isNotFound(error)) continue;
      session.err.line(errorMessage(error));
      failed = true;
    }
  }
  if (failed) throw new StatusError(1, "exit status 1");
}

async function isIngress(session: Session, name: string): Promise<boolean> {
  try {
    return (await session.client.get<NetworkSummary>(networkPath(name))).Ingress ?? false;
  } catch {
    return false; // the removal itself will say so
  }
}
