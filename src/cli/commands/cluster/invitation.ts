// What to type on another host.

import type { ClusterInvitationBody } from "../../wire.ts";

/** With the command for a host that joins as a member, a node, or what the cluster needs. */
export function invitationText(
  { Token, Remote }: ClusterInvitationBody,
  { role, lifetime }: { readonly role?: string; readonly lifetime: string },
): string {
  const flag = role === "node" ? "--node " : "";
  return `To add a host to this cluster, run the following command there:

    tsdocker cluster join ${flag}--token ${Token} ${Remote}

The token is good for ${lifetime}; "tsdocker cluster token" makes a new one.
`;
}
