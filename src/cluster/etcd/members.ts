// The members of the etcd cluster itself, and how each one is.

import type { Member } from "../gen/rpc_pb.ts";
import { Cluster, KV, Maintenance } from "../gen/rpc_pb.ts";
import type { CallOptions, EtcdClient } from "./client.ts";
import type { Connection } from "./connection.ts";

/** A member as the others know it. `name` is empty until it has started for the first time. */
export interface EtcdMember {
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** Follows without a vote. */
  readonly isLearner: boolean;
}

/** A member by its own words. */
export interface EtcdMemberStatus {
  readonly endpoint: string;
  readonly memberId: string;
  readonly version: string;
  readonly isLeader: boolean;
  readonly hasLeader: boolean;
  readonly isLearner: boolean;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly revision: number;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** As the member puts them, alarms included. */
  readonly errors: readonly string[];
}

export interface EtcdAlarm {
  readonly memberId: string;
  readonly kind: "no-space" | "corrupt" | "unknown";
}

const alarmKinds = { 1: "no-space", 2: "corrupt" } as const;
const alarmAction = { get: 0, disarm: 2 };

export async function listMembers(client: EtcdClient): Promise<EtcdMember[]> {
  const options = { doing: "list the store's members", isRepeatable: true };
  return (await client.call(Cluster.method.memberList, {}, options)).members.map(memberOf);
}

/** Makes room for a member that is to start; `isLearner`: without a vote until `promoteMember`. Not repeated by itself. */
export async function addMember(
  client: EtcdClient,
  peerUrls: readonly string[],
  { isLearner = false }: { readonly isLearner?: boolean } = {},
): Promise<{ readonly added: EtcdMember; readonly members: readonly EtcdMember[] }> {
  const request = { peerURLs: [...peerUrls], isLearner };
  // members that met less than five seconds ago do not count as healthy yet
  const options = { doing: "add a member to the store", timeoutMs: 15_000 };
  const answer = await client.call(Cluster.method.memberAdd, request, options);
  const members = answer.members.map(memberOf);
  const added = answer.member && memberOf(answer.member);
  if (!added) throw new Error("add a member to the store: it answered without one");
  return { added, members };
}

/** @throws not-found when it is none */
export async function removeMember(
  client: EtcdClient,
  id: string,
  options: Pick<CallOptions, "timeoutMs"> = {},
): Promise<EtcdMember[]> {
  const doing = `remove member ${id} from the store`;
  const answer = await client.call(Cluster.method.memberRemove, { ID: parseId(id) }, { doing, ...options });
  return answer.members.map(memberOf);
}

/** Gives a learner its vote. @throws conflict while it has not caught up */
export async function promoteMember(client: EtcdClient, id: string): Promise<EtcdMember[]> {
  const options = { doing: `give member ${id} of the store a vote` };
  return (await client.call(Cluster.method.memberPromote, { ID: parseId(id) }, options)).members.map(
    memberOf,
  );
}

export async function updateMember(
  client: EtcdClient,
  id: string,
  peerUrls: readonly string[],
): Promise<EtcdMember[]> {
  const request = { ID: parseId(id), peerURLs: [...peerUrls] };
  const options = { doing: `change the addresses of member ${id} of the store`, isRepeatable: true };
  return (await client.call(Cluster.method.memberUpdate, request, options)).members.map(memberOf);
}

/** Another member leads from now on. `at` is the one that leads. @throws conflict when it does not */
export async function moveLead(client: EtcdClient, at: Connection, toId: string): Promise<void> {
  const options = { doing: "hand over the lead of the store", timeoutMs: 2_000, at };
  await client.call(Maintenance.method.moveLeader, { targetID: parseId(toId) }, options);
}

/** @throws unavailable when that member does not answer */
export async function memberStatus(client: EtcdClient, at: Connection): Promise<EtcdMemberStatus> {
  const options = { doing: "ask a member of the store how it is", timeoutMs: 2_000, at };
  const answer = await client.call(Maintenance.method.status, {}, options);
  return {
    endpoint: at.name,
    memberId: formatId(answer.header?.memberId ?? 0n),
    version: answer.version,
    isLeader: answer.leader !== 0n && answer.leader === answer.header?.memberId,
    hasLeader: answer.leader !== 0n,
    isLearner: answer.isLearner,
    raftTerm: Number(answer.raftTerm),
    raftIndex: Number(answer.raftIndex),
    revision: Number(answer.header?.revision ?? 0n),
    sizeBytes: Number(answer.dbSize),
    usedBytes: Number(answer.dbSizeInUse),
    errors: answer.errors,
  };
}

export async function listAlarms(client: EtcdClient): Promise<EtcdAlarm[]> {
  const request = { action: alarmAction.get };
  const options = { doing: "read the store's alarms", isRepeatable: true };
  const answer = await client.call(Maintenance.method.alarm, request, options);
  return answer.alarms.map(({ memberID, alarm }) => ({
    memberId: formatId(memberID),
    kind: alarmKinds[alarm as keyof typeof alarmKinds] ?? "unknown",
  }));
}

/** Ends every alarm; one whose reason is still there comes back. */
export async function disarmAlarms(client: EtcdClient): Promise<void> {
  const options = { doing: "disarm the store's alarms", isRepeatable: true };
  const listed = await client.call(Maintenance.method.alarm, { action: alarmAction.get }, options);
  for (const { memberID, alarm } of listed.alarms)
    await client.call(Maintenance.method.alarm, { action: alarmAction.disarm, memberID, alarm }, options);
}

/** Forgets what happened before `revision`; what is there stays. */
export async function compactStore(client: EtcdClient, revision: number): Promise<void> {
  const options = { doing: "compact the store", isRepeatable: true, timeoutMs: 30_000 };
  await client.call(KV.method.compact, { revision: BigInt(revision), physical: true }, options);
}

/** Gives a member's free space back to its disk. It answers nobody meanwhile. */
export async function defragmentMember(client: EtcdClient, at: Connection): Promise<void> {
  const options = { doing: "defragment a member of the store", timeoutMs: 60_000, at };
  await client.call(Maintenance.method.defragment, {}, options);
}

/** Ids are shown as etcd shows them: hexadecimal. */
function formatId(id: bigint): string {
  return id.toString(16);
}

function parseId(id: string): bigint {
  return BigInt(`0x${id}`);
}

function memberOf({ ID, name, peerURLs, clientURLs, isLearner }: Member): EtcdMember {
  return { id: formatId(ID), name, peerUrls: peerURLs, clientUrls: clientURLs, isLearner };
}
