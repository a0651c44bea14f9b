// cluster init.

import { type CommandSpec, noArgs } from "../../command.ts";
import { list } from "../../flags/spec.ts";
import type { InitClusterResponse } from "../../wire.ts";
import { invitationText } from "./invitation.ts";
import { placeFlags, placeOf } from "./place.ts";

export const init: CommandSpec = {
  usage: "[OPTIONS]",
  long: `Form a cluster, with this host as its first member

Hosts of a cluster share networks: "tsdocker network create -d overlay" makes one that is on all of them.
The store that they share is run by the daemons of up to five hosts; nothing else has to be set up.`,
  args: noArgs,
  flags: [
    ...placeFlags,
    list(
      "subnet-pool",
      "Choose subnets of the cluster's networks from here (format: <CIDR>[,size=<length>])",
      { check: checkPool },
    ),
  ],
  async run({ session, flags }) {
    const json = { ...placeOf(flags), SubnetPools: flags.list("subnet-pool").map(poolOf) };
    const made = await session.client.post<InitClusterResponse>("/cluster/init", { json });
    session.out.line(`Cluster formed: this host (${made.NodeID}) is its first member.\n`);
    session.out.write(invitationText(made, { lifetime: "24 hours" }));
  },
};

const form = /^([^,]+?)(?:,size=([0-9]{1,3}))?$/;

function checkPool(text: string): string {
  if (form.test(text)) return text;
  throw new Error(`${text}: CIDR or CIDR,size=LENGTH is wanted, such as 10.64.0.0/10,size=24`);
}

function poolOf(text: string) {
  const [, base = "", size] = form.exec(text) ?? [];
  return { Base: base, ...(size !== undefined && { Size: Number(size) }) };
}
