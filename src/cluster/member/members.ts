// The members of the cluster's etcd, as etcd itself has them.

import type { EtcdMember } from "../etcd/index.ts";

/** `name` is the host's node id; empty until the member has started for the first time. A learner has no vote yet. */
export type MemberRecord = EtcdMember;

/** Every operation needs a quorum. @throws unavailable without one */
export interface Members {
  list(): Promise<readonly MemberRecord[]>;
  /** Expects a new member there. It has no vote, so that it cannot cost the quorum when it never comes up. */
  addLearner(peerUrl: string): Promise<void>;
  /** Gives it its vote. @throws conflict while it has not caught up; unavailable */
  promote(id: string): Promise<void>;
  /** One that is gone is success. */
  remove(id: string): Promise<void>;
  close(): void;
}
