// How a host goes: by itself, or taken off the record by another because it will not come back.

import { setTimeout as sleep } from "node:timers/promises";
import { conflict, errorKind, errorMessage, notFound, unavailable } from "../../util/errors.ts";
import { peerUrl } from "../member/etcd-arguments.ts";
import type { MemberRecord } from "../member/members.ts";
import type { Admission } from "./admission.ts";
import type { HostMembership } from "./host-membership.ts";
import type { Serving } from "./serving.ts";

export interface LeaveOptions {
  /** Go even if the cluster ends with it, or cannot be told. */
  readonly force?: boolean;
}

/** How long a change of members may take to come through: their store chooses a leader meanwhile. */
const patienceMs = 10_000;

/**
 * Leaves the cluster and forgets it. `serving` is closed first; undefined when the host is not in touch.
 * @throws conflict when the cluster would end or lose its quorum; unavailable when it cannot be told; neither with force
 */
export async function leaveCluster(
  membership: HostMembership,
  serving: Serving | undefined,
  { force = false }: LeaveOptions = {},
): Promise<void> {
  if (!membership.cluster) throw conflict("leave the cluster: this host belongs to none");
  membership.leaving(true);
  try {
    if (!serving)
      throw unavailable(
        "leave the cluster: it is out of reach: leave with force, and remove this host there",
      );
    await checkLast(serving, membership.nodeId, force);
    await takeOff(serving, membership.nodeId);
  } catch (error) {
    if (!force) {
      membership.leaving(false);
      throw error;
    }
    membership.log.warn({ reason: errorMessage(error) }, "left the cluster without its consent");
  }
  await serving?.close();
  await membership.forget();
  membership.leaving(false);
}

/**
 * Takes a host off the cluster's record: its certificates are no longer good, and its etcd is no member.
 * @throws not-found; conflict when it is this host, or is alive and `force` was not given; unavailable
 */
export async function removeHost(
  serving: Serving,
  nodeId: string,
  { force = false }: LeaveOptions = {},
): Promise<void> {
  const found = serving.tables.admissions.get(nodeId)?.value;
  if (!found) throw notFound(`remove host ${nodeId}: the cluster has none of this id`);
  if (nodeId === serving.membership.nodeId)
    throw conflict(`remove host ${found.name}: it is this one: leave the cluster`);
  if (serving.access.isAlive(nodeId) && !force)
    throw conflict(
      `remove host ${found.name}: it is alive: leave the cluster there, or remove it with force`,
    );
  await takeOff(serving, nodeId);
}

async function checkLast({ members, tables }: Serving, nodeId: string, force: boolean): Promise<void> {
  const own = tables.admissions.get(nodeId)?.value;
  if (own?.seat !== "member" || force) return;
  const voters = (await members.list()).filter(({ isLearner }) => !isLearner);
  if (voters.length > 1 || !voters.some((voter) => isOf(voter, own))) return;
  const others = [...tables.admissions.entries()].length - 1;
  throw conflict(
    others > 0
      ? `leave the cluster: this host is its only member, and ${others} other ${others === 1 ? "host" : "hosts"} would be without it: with a third host all become members; or leave with force`
      : "leave the cluster: it ends with this host, its last: leave with force",
  );
}

async function takeOff(serving: Serving, nodeId: string): Promise<void> {
  const { members, tables, access } = serving;
  const record = tables.admissions.get(nodeId)?.value;
  if (record)
    for (const member of await members.list()) if (isOf(member, record)) await members.remove(member.id);
  await untilDone(() =>
    access.commit((transaction) => {
      const entry = tables.admissions.get(nodeId);
      for (const { serial, expiresAt } of entry?.value.certificates ?? [])
        transaction.put(tables.revocations, serial, { nodeId, expiresAt });
      if (entry) transaction.remove(tables.admissions, entry);
      transaction.delete(access.nodes, nodeId);
    }),
  );
}

function isOf({ peerUrls }: MemberRecord, admission: Admission): boolean {
  return peerUrls.includes(peerUrl(admission));
}

// The member that was asked may be the one that has just gone.
async function untilDone(attempt: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isWorthwhile = ["unavailable", "conflict"].includes(errorKind(error));
      if (!isWorthwhile || Date.now() > deadline) throw error;
      await sleep(200);
    }
  }
}
