// etcd's members without etcd: what they refuse is what etcd refuses.

import type { MemberRecord, Members } from "../../../../src/cluster/member/members.ts";
import { conflict, unavailable } from "../../../../src/util/errors.ts";

export class FakeMembers implements Members {
  records: MemberRecord[] = [];
  /** No quorum. */
  isAway = false;
  /** How many removals more etcd refuses. */
  refusals = 0;
  /** What happens while etcd takes its time with a learner. */
  meanwhile: () => Promise<void> = async () => undefined;
  #count = 0;

  async list(): Promise<readonly MemberRecord[]> {
    this.#check();
    return [...this.records];
  }

  async addLearner(peerUrl: string): Promise<void> {
    this.#check();
    if (this.records.some(({ isLearner }) => isLearner)) throw unavailable("too many learner members");
    const id = (++this.#count).toString(16);
    this.records.push({ id, name: "", peerUrls: [peerUrl], clientUrls: [], isLearner: true });
    await this.meanwhile();
  }

  async promote(id: string): Promise<void> {
    this.#check();
    const found = this.records.find((record) => record.id === id);
    if (!found?.name) throw conflict("not in sync");
    this.#replace({ ...found, isLearner: false });
  }

  async yieldLead(): Promise<void> {
    this.#check();
  }

  async remove(id: string): Promise<void> {
    this.#check();
    if (this.refusals-- > 0) throw unavailable("unhealthy cluster");
    this.records = this.records.filter((record) => record.id !== id);
  }

  async alarms() {
    return [];
  }

  close(): void {}

  /** A member that has its vote. */
  seat(nodeId: string, peerUrl: string): void {
    const id = (++this.#count).toString(16);
    this.records.push({ id, name: nodeId, peerUrls: [peerUrl], clientUrls: [], isLearner: false });
  }

  /** The learner's etcd starts. */
  start(nodeId: string, peerUrl: string): void {
    const found = this.records.find(({ peerUrls }) => peerUrls.includes(peerUrl));
    if (found) this.#replace({ ...found, name: nodeId });
  }

  #replace(record: MemberRecord): void {
    this.records = this.records.map((one) => (one.id === record.id ? record : one));
  }

  #check(): void {
    if (this.isAway) throw unavailable("no quorum");
  }
}
