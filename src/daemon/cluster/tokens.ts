// Join tokens of a cluster that the daemons run: as the engine shows them, and what a host that joins is told.

import { formatWhere } from "../../cluster/join/admission.ts";
import type { HostMembership } from "../../cluster/join/host-membership.ts";
import { defaultPorts } from "../../cluster/join/identity.ts";
import type { Serving } from "../../cluster/join/serving.ts";
import type { ClusterInvitation, ClusterToken, ClusterTokenRequest } from "../../engine/types.ts";
import { parseAddress } from "../../netip/index.ts";
import { unavailable } from "../../util/errors.ts";

/** Those on record, without their secrets. */
export function listTokens({ tokens }: Serving): ClusterToken[] {
  return tokens.list().map(({ id, admits, createdAt, expiresAt, used, uses }) => ({
    ...{ id, admits, used },
    ...{ createdAt: new Date(createdAt), expiresAt: new Date(expiresAt) },
    ...(uses !== undefined && { uses }),
  }));
}

/** @throws unavailable, also when no member is known */
export async function invite(
  { tokens }: Serving,
  host: HostMembership,
  request: Omit<ClusterTokenRequest, "rotate">,
): Promise<ClusterInvitation> {
  return { token: await tokens.create(request), remote: remoteOf(host) };
}

/** Whom a host that joins can ask: this one if it is a member. */
function remoteOf({ cluster, nodeId }: HostMembership): string {
  const members = cluster?.members ?? [];
  const member = members.find((it) => it.nodeId === nodeId) ?? members[0];
  const address = member && parseAddress(member.address);
  if (!address) throw unavailable("no member of the cluster is known");
  const { join: port } = member.ports;
  return port === defaultPorts.join ? member.address : formatWhere(address, port);
}
