// Keeps the members an odd number: offers seats as hosts come and go, sees newcomers through to their vote, and mends
// what a member left half done that died meanwhile. Runs on every member; who is first does it, the others find it done.

import { setTimeout as sleep } from "node:timers/promises";
import { errorKind, errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { peerUrl } from "../member/etcd-arguments.ts";
import type { MemberRecord, Members } from "../member/members.ts";
import type { Entry } from "../types.ts";
import { type Admission, type JoinTables, passedOver } from "./admission.ts";
import { type Candidate, planSeats, type Seat } from "./seats.ts";

export interface SeatKeeperOptions {
  readonly tables: JoinTables;
  readonly members: Members;
  readonly isAlive: (nodeId: string) => boolean;
  readonly log: Log;
  readonly now?: () => Date;
  /** Milliseconds of a clock that never jumps; without it those of `now`. */
  readonly elapsedMs?: () => number;
  /** How long a newcomer has until its vote, in milliseconds. */
  readonly patienceMs?: number;
  /** How often is looked without a reason, in milliseconds. */
  readonly intervalMs?: number;
}

const usualPatienceMs = 60_000;
const usualIntervalMs = 15_000;
/** How long a host that leaves has to take its own member away. */
const leftPatienceMs = 10_000;
/** While a newcomer is on its way there is something to do at each look. */
const busyIntervalMs = 500;

/** Owns its loop. */
export class SeatKeeper {
  readonly #options: SeatKeeperOptions;
  readonly #stopping = new AbortController();
  /** When a learner was first seen, by its URL: a host may try more than once. */
  readonly #learners = new Map<string, number>();
  /** When a member without a host was first seen. */
  readonly #left = new Map<string, number>();
  readonly #loop: Promise<void>;
  #nudge = new AbortController();

  constructor(options: SeatKeeperOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** Look now: somebody came or went. */
  nudge(): void {
    this.#nudge.abort();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.nudge();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#nudge = new AbortController();
      const isBusy = await this.look().catch((error) => {
        this.#options.log.debug({ reason: errorMessage(error) }, "the members cannot be looked after now");
        return false;
      });
      const pauseMs = isBusy ? busyIntervalMs : (this.#options.intervalMs ?? usualIntervalMs);
      await sleep(pauseMs, undefined, { signal: this.#nudge.signal }).catch(() => undefined);
    }
  }

  /** One look; true while a newcomer is on its way. */
  async look(): Promise<boolean> {
    await this.#offerSeats();
    const list = await this.#options.members.list();
    await this.#recordSeats(list);
    await this.#removeLeft(list);
    let isBusy = false;
    for (const learner of list.filter(({ isLearner }) => isLearner))
      isBusy = (await this.#see(learner)) || isBusy;
    const offered = this.#admissions().filter(({ value }) => value.seat === "offered");
    for (const url of this.#learners.keys())
      if (!offered.some(({ value }) => peerUrl(value) === url)) this.#learners.delete(url);
    return isBusy || offered.length > 0;
  }

  async #offerSeats(): Promise<void> {
    const { offer, withdraw } = planSeats(this.#admissions().map(({ value }) => this.#candidate(value)));
    for (const nodeId of offer) await this.#seat(nodeId, "offered");
    for (const nodeId of withdraw) await this.#seat(nodeId, "node");
  }

  /** etcd knows who is a member; the record follows it. */
  async #recordSeats(list: readonly MemberRecord[]): Promise<void> {
    for (const { value } of this.#admissions()) {
      const record = list.find(({ peerUrls }) => peerUrls.includes(peerUrl(value)));
      const hasVote = record !== undefined && !record.isLearner;
      if (hasVote && value.seat !== "member") await this.#seat(value.nodeId, "member");
      if (!record && value.seat === "member") await this.#seat(value.nodeId, "node");
    }
  }

  /** A host that left and could not take its own member away. It gets time to: of two such changes etcd loses one. */
  async #removeLeft(list: readonly MemberRecord[]): Promise<void> {
    const { members, log } = this.#options;
    const urls = new Set(this.#admissions().map(({ value }) => peerUrl(value)));
    const left = list.filter(
      ({ isLearner, peerUrls }) => !isLearner && !peerUrls.some((url) => urls.has(url)),
    );
    for (const id of this.#left.keys()) if (!left.some((member) => member.id === id)) this.#left.delete(id);
    for (const { id, peerUrls } of left) {
      const since = this.#left.get(id) ?? this.#elapsedMs();
      this.#left.set(id, since);
      // a copy without any host is not one to judge by
      if (urls.size === 0 || this.#elapsedMs() - since < leftPatienceMs) continue;
      log.info({ url: peerUrls[0] }, "removing a member whose host has left the cluster");
      await members.remove(id);
    }
  }

  /** True while it may still come up. */
  async #see(learner: MemberRecord): Promise<boolean> {
    const { members, log, patienceMs = usualPatienceMs } = this.#options;
    const now = this.#elapsedMs();
    const [url = ""] = learner.peerUrls;
    const since = this.#learners.get(url) ?? now;
    this.#learners.set(url, since);
    const host = this.#admissions().find(({ value }) => learner.peerUrls.includes(peerUrl(value)));
    if (host?.value.seat === "offered" && now - since < patienceMs) {
      await this.#promote(learner, host);
      return true;
    }
    log.warn(
      { host: host?.value.name, url: learner.peerUrls[0] },
      "a new member did not come up: removing it",
    );
    await members.remove(learner.id);
    if (host?.value.seat === "offered") await this.#write(host, passedOver(host.value, this.#now()));
    return false;
  }

  async #promote(learner: MemberRecord, host: Entry<Admission>): Promise<void> {
    const { members, log } = this.#options;
    // its name comes with its first start
    if (!learner.name) return;
    try {
      await members.promote(learner.id);
    } catch (error) {
      log.debug(
        { host: host.value.name, reason: errorMessage(error) },
        "the new member has not caught up yet",
      );
      return;
    }
    log.info({ host: host.value.name, node: host.value.nodeId }, "the cluster has a new member");
    await this.#seat(host.value.nodeId, "member");
  }

  async #seat(nodeId: string, seat: Seat): Promise<void> {
    const entry = this.#options.tables.admissions.get(nodeId);
    if (!entry || entry.value.seat === seat) return;
    const { passedOverUntil: _, ...rest } = entry.value;
    await this.#write(entry, { ...rest, seat });
  }

  async #write(entry: Entry<Admission>, admission: Admission): Promise<void> {
    try {
      await this.#options.tables.admissions.replace(entry, admission);
    } catch (error) {
      // another member was quicker; the next look sees what it did
      if (errorKind(error) !== "conflict") throw error;
    }
  }

  #candidate(admission: Admission): Candidate {
    const isPassedOver = (admission.passedOverUntil ?? "") > this.#now().toISOString();
    return { ...admission, isAlive: this.#options.isAlive(admission.nodeId) && !isPassedOver };
  }

  #admissions(): Entry<Admission>[] {
    return [...this.#options.tables.admissions.entries()];
  }

  #elapsedMs(): number {
    return this.#options.elapsedMs?.() ?? this.#now().getTime();
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }
}
