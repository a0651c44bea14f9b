// How a host goes: by itself, or taken off the record by another because it will not come back.

import { setTimeout as sleep } from "node:timers/promises";
import { conflict, errorKind, errorMessage, notFound, unavailable } from "../../util/errors.ts";
import { peerUrl } from "../member/etcd-arguments.ts";
import type { MemberRecord } from "../member/members.ts";
import type { Cluster, SharedTransaction } from "../types.ts";
import type { Admission, JoinTables } from "./admission.ts";
import type { HostMembership } from "./host-membership.ts";
import type { Serving } from "./serving.ts";

export interface LeaveOptions {
  /** Go even if the cluster ends with it, or cannot be told. */
  readonly force?: boolean;
}

export interface Heard {
  readonly isHeard: boolean;
}

/** What of this host hangs on the store. */
export interface Departing {
  readonly membership: HostMembership;
  /** Undefined: this host is not in touch. */
  readonly serving: Serving | undefined;
  /** See `Cluster.leave`. */
  readonly farewell: Cluster["leave"];
  /** Ends what stands on the cluster. `isHeard`: the store has answered a moment ago and can be told more. */
  readonly endUse: (options: Heard) => Promise<void>;
  /** Closes the line to the store: an etcd that is to end waits for those who follow it. */
  readonly disconnect: (options: Heard) => Promise<void>;
}

/** How long a host that goes in any case tries to tell the others. */
const forcedPatienceMs = 1_500;
/** How long a member that is not needed tries to go in good order. */
const shortPatienceMs = 1_000;
/** How long a change of members may take to come through: their store chooses a leader meanwhile. */
const patienceMs = 10_000;

/**
 * Leaves the cluster and forgets it.
 * @throws conflict when the cluster would end or lose its quorum; unavailable when it cannot be told; neither with
 * force. Nothing has ended then.
 */
export async function leaveCluster(
  { membership, serving, farewell, endUse, disconnect }: Departing,
  { force = false }: LeaveOptions = {},
): Promise<void> {
  if (!membership.cluster) throw conflict("leave the cluster: this host belongs to none");
  membership.leaving(true);
  try {
    const seat = await sayFarewell({ membership, serving, farewell }, force);
    const isHeard = seat !== "unheard";
    await endUse({ isHeard });
    if (serving && typeof seat === "object") await giveUpSeat(serving, seat);
    await serving?.close();
    await disconnect({ isHeard });
    await membership.forget();
  } finally {
    membership.leaving(false);
  }
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

/** A member of the store that goes while others stay. */
interface Seat {
  readonly own: MemberRecord;
  /** Members that live and stay. */
  readonly heirs: readonly MemberRecord[];
  /** Members whose hosts left before, and whose votes are counted still. */
  readonly left: readonly MemberRecord[];
  /** The heirs are enough to agree on anything, this member's end too. */
  readonly isSpare: boolean;
}

/** `unheard`: the others could not be told. */
type LeftSeat = Seat | "none" | "unheard";

/** Everything that others know of this host goes at once, while it is in touch. */
async function sayFarewell(
  { membership, serving, farewell }: Pick<Departing, "membership" | "serving" | "farewell">,
  force: boolean,
): Promise<LeftSeat> {
  try {
    if (!serving || serving.access.state === "frozen")
      throw unavailable(
        "leave the cluster: it is out of reach: leave with force, and remove this host there",
      );
    const saying = untilSaid({ serving, farewell }, membership.nodeId, force);
    return force ? await inTime(saying) : await saying;
  } catch (error) {
    if (!force) throw error;
    membership.log.info({ reason: errorMessage(error) }, "leaving without a word to the others");
    return "unheard";
  }
}

async function untilSaid(
  { serving, farewell }: { readonly serving: Serving; readonly farewell: Cluster["leave"] },
  nodeId: string,
  force: boolean,
): Promise<LeftSeat> {
  const seat = await findSeat(serving, nodeId, force);
  await untilDone(() => farewell((transaction) => strike(transaction, serving.tables, nodeId)));
  return seat;
}

/** What comes later than that comes all the same: it does no harm. */
async function inTime(saying: Promise<LeftSeat>): Promise<LeftSeat> {
  const timer = new AbortController();
  const late = sleep(forcedPatienceMs, undefined, { signal: timer.signal }).then(() => {
    throw unavailable(`tell the others: no answer within ${forcedPatienceMs} ms`);
  });
  saying.catch(() => undefined);
  late.catch(() => undefined);
  try {
    return await Promise.race([saying, late]);
  } finally {
    timer.abort();
  }
}

/** What is to be taken from the store's members: nothing of a plain node, and nothing when they end with this one. */
async function findSeat(
  { members, tables, access }: Serving,
  nodeId: string,
  force: boolean,
): Promise<LeftSeat> {
  const own = tables.admissions.get(nodeId)?.value;
  if (!own || own.seat === "node") return "none";
  const list = await members.list();
  const seat = list.find((member) => isOf(member, own));
  if (!seat) return "none";
  const others = list.filter((member) => member !== seat && !member.isLearner);
  if (others.length === 0 && !seat.isLearner) {
    if (!force) refuseLast(tables);
    return "none";
  }
  const admitted = [...tables.admissions.entries()].map(({ value }) => value);
  const hostOf = (member: MemberRecord) => admitted.find((admission) => isOf(member, admission));
  const heirs = others.filter((member) => access.isAlive(hostOf(member)?.nodeId ?? ""));
  const left = others.filter((member) => !hostOf(member));
  return { own: seat, heirs, left, isSpare: heirs.length > (others.length + 1) / 2 };
}

/**
 * The members that stay do it too (`SeatKeeper`), as long as they are enough to agree on it: then nobody waits. etcd takes
 * no member away while others have been in touch for less than five seconds.
 */
async function giveUpSeat(
  { members, membership }: Serving,
  { own, heirs, left, isSpare }: Seat,
): Promise<void> {
  const { log } = membership;
  const deadline = performance.now() + (isSpare ? shortPatienceMs : patienceMs);
  for (;;) {
    try {
      for (const { id } of left) await members.remove(id, { timeoutMs: shortPatienceMs });
      // who leads and goes at once may take with it that it was agreed upon
      await members.yieldLead(own, heirs);
      return await members.remove(own.id, { timeoutMs: shortPatienceMs });
    } catch (error) {
      if (performance.now() < deadline) await sleep(200);
      else return log.info({ reason: errorMessage(error) }, "the others take this host off the members");
    }
  }
}

function refuseLast(tables: JoinTables): never {
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
      strike(transaction, tables, nodeId);
      transaction.delete(access.nodes, nodeId);
    }),
  );
}

/** Its certificates are good no longer, and it is admitted no more. */
function strike(transaction: SharedTransaction, tables: JoinTables, nodeId: string): void {
  const entry = tables.admissions.get(nodeId);
  for (const { serial, expiresAt } of entry?.value.certificates ?? [])
    transaction.put(tables.revocations, serial, { nodeId, expiresAt });
  if (entry) transaction.remove(tables.admissions, entry);
}

function isOf({ peerUrls }: MemberRecord, admission: Admission): boolean {
  return peerUrls.includes(peerUrl(admission));
}

// The member that was asked may be the one that has just gone.
async function untilDone(attempt: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isWorthwhile = ["unavailable", "conflict"].includes(errorKind(error));
      if (!isWorthwhile || performance.now() > deadline) throw error;
      await sleep(200);
    }
  }
}
