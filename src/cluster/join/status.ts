// How a cluster's members are, as asked of each: for people who want to know whether one more may fail.

import { errorMessage } from "../../util/errors.ts";
import { peerUrl } from "../member/etcd-arguments.ts";
import { checkHealth } from "../member/health.ts";
import type { MemberRecord } from "../member/members.ts";
import type { Credentials } from "../trust/index.ts";
import type { Admission } from "./admission.ts";
import type { Serving } from "./serving.ts";

export interface MemberStatus {
  readonly nodeId: string;
  readonly name: string;
  readonly address: string;
  /** It has no vote yet. */
  readonly isLearner: boolean;
  /** Why it does not serve; absent when it does. */
  readonly trouble?: string;
  /** It serves what is there and takes nothing new. */
  readonly alarm?: "no-space" | "corrupt";
}

export interface ClusterStatus {
  readonly members: readonly MemberStatus[];
  /** Members with a vote. */
  readonly voters: number;
  readonly healthy: number;
  /** How many more members may fail before nothing can be agreed on; negative: none can be now. */
  readonly tolerates: number;
  /** What somebody should see to, in words. */
  readonly warnings: readonly string[];
}

const answerMs = 2_000;

/** Asks every member. @throws unavailable when not even their list can be had */
export async function clusterStatus({ members, tables, membership }: Serving): Promise<ClusterStatus> {
  const admissions = [...tables.admissions.entries()].map(({ value }) => value);
  const records = await members.list();
  const credentials = membership.keys.get();
  const alarms = await members.alarms();
  const states = records.map(async (record) => {
    const alarm = alarms.find(({ memberId }) => memberId === record.id)?.kind;
    const state = await askMember(record, admissions, credentials);
    // its health page says no more than that something is wrong
    const { trouble: _, ...facts } = state;
    return alarm === undefined || alarm === "unknown" ? state : { ...facts, alarm };
  });
  return summarize(await Promise.all(states));
}

/** What the states of the members come to. */
export function summarize(members: readonly MemberStatus[]): ClusterStatus {
  const voters = members.filter(({ isLearner }) => !isLearner);
  const healthy = voters.filter(({ trouble }) => trouble === undefined).length;
  const quorum = Math.floor(voters.length / 2) + 1;
  const sick = voters.filter(({ trouble }) => trouble !== undefined);
  return {
    members,
    voters: voters.length,
    healthy,
    tolerates: healthy - quorum,
    warnings: [
      ...alarmWords(members),
      ...sick.map(({ name, address, trouble }) => `member ${name} at ${address} does not answer: ${trouble}`),
      ...(voters.length === 2
        ? ["there are two members and neither may fail: a third host makes it three"]
        : []),
    ],
  };
}

/** One sentence for all members: with one of them full nothing new is taken by any. */
function alarmWords(members: readonly MemberStatus[]): string[] {
  const named = (alarm: MemberStatus["alarm"]) =>
    members.filter((member) => member.alarm === alarm).map(({ name }) => name);
  const [full, damaged] = [named("no-space"), named("corrupt")];
  return [
    ...(full.length > 0
      ? [
          `the store is out of space (alarm NOSPACE on ${full.join(", ")}): nothing can be agreed on until its members are compacted and defragmented and the alarm is disarmed; what runs goes on`,
        ]
      : []),
    ...(damaged.length > 0 ? [`the store is damaged (alarm CORRUPT on ${damaged.join(", ")})`] : []),
  ];
}

async function askMember(
  { name: nodeId, peerUrls, isLearner }: MemberRecord,
  admissions: readonly Admission[],
  credentials: Credentials,
): Promise<MemberStatus> {
  const admission = admissions.find((one) => peerUrls.includes(peerUrl(one)));
  const { name = nodeId, address = peerUrls[0] ?? "" } = admission ?? {};
  const state = { nodeId, name, address, isLearner };
  if (!admission) return { ...state, trouble: "it is on no record of the cluster" };
  try {
    await checkHealth({ address, port: admission.ports.client }, credentials, answerMs);
    return state;
  } catch (error) {
    return { ...state, trouble: errorMessage(error) };
  }
}
