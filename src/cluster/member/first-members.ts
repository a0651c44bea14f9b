// Whom a member must name at its first start: all that etcd has, or it does not start.

import type { InitialMember } from "./etcd-arguments.ts";
import type { MemberRecord } from "./members.ts";

/** Those with a vote and the newcomer, whose name etcd does not know yet. */
export function firstMembers(
  list: readonly Pick<MemberRecord, "name" | "peerUrls" | "isLearner">[],
  newcomer: InitialMember,
): InitialMember[] {
  const voters = list.filter(({ isLearner }) => !isLearner);
  const named = voters.flatMap(({ name, peerUrls }) =>
    peerUrls.map((one) => ({ nodeId: name, peerUrl: one })),
  );
  return [...named, newcomer];
}

/**
 * What a newcomer that has not started yet should be given instead of `given`: members came or went since. Undefined:
 * nothing, or it is not waited for any more.
 */
export function changedMembers(
  list: readonly Pick<MemberRecord, "name" | "peerUrls" | "isLearner">[],
  { newcomer, given }: { readonly newcomer: InitialMember; readonly given: readonly InitialMember[] },
): InitialMember[] | undefined {
  const own = list.find(({ peerUrls }) => peerUrls.includes(newcomer.peerUrl));
  if (!own?.isLearner || own.name !== "") return undefined;
  const now = firstMembers(list, newcomer);
  return textOf(now) === textOf(given) ? undefined : now;
}

const textOf = (members: readonly InitialMember[]) =>
  members
    .map(({ nodeId, peerUrl }) => `${nodeId} ${peerUrl}`)
    .toSorted()
    .join();
