// The members of the cluster's etcd, as etcd itself has them.

import type { EtcdAlarm, EtcdMember } from "../etcd/index.ts";

/** `name` is the host's node id; empty until the member has started for the first time. A learner has no vote yet. */
export type MemberRecord = EtcdMember;

/** Every operation needs a quorum. @throws unavailable without one */
export interface Members {
  list(): Promise<readonly MemberRecord[]>;
  /** Expects a new member there. It has no vote, so that it cannot cost the quorum when it never comes up. */
  addLearner(peerUrl: string): Promise<void>;
  /** Gives it its vote. @throws conflict while it has not caught up; unavailable */
  promote(id: string): Promise<void>;
  /** A member that is about to go leads no longer, if one of `heirs` takes over: nothing is held up by its end then. */
  yieldLead(member: MemberRecord, heirs: readonly MemberRecord[]): Promise<void>;
  /** One that is gone is success. */
  remove(id: string, options?: { readonly timeoutMs: number }): Promise<void>;
  /** What members have raised an alarm about; needs no quorum of writers. */
  alarms(): Promise<readonly EtcdAlarm[]>;
  close(): void;
}
