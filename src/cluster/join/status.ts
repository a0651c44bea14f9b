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
  const states = await Promise.all(records.map((record) => askMember(record, admissions, credentials)));
  return summarize(states);
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
      ...sick.map(({ name, address, trouble }) => `member ${name} at ${address} does not answer: ${trouble}`),
      ...(voters.length === 2
        ? ["there are two members and neither may fail: a third host makes it three"]
        : []),
    ],
  };
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
