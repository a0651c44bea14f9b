// What a host does while it is in touch with its cluster: takes a seat when one is offered, does a member's duties while
// it has one, follows where the members are, and renews its certificate.

import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { type InitialMember, peerUrl } from "../member/etcd-arguments.ts";
import { EtcdMembers } from "../member/etcd-members.ts";
import { changedMembers } from "../member/first-members.ts";
import type { Members } from "../member/members.ts";
import { certificateDigest, createRequest, readHostCertificate, renewalTime } from "../trust/index.ts";
import type { ClusterAccess } from "../types.ts";
import {
  type Admission,
  admissionsTable,
  type JoinTables,
  memberAddresses,
  type Revocation,
  revocationsTable,
  tokensTable,
} from "./admission.ts";
import type { HostMembership } from "./host-membership.ts";
import type { ClusterIdentity } from "./identity.ts";
import { type DutiesOptions, MemberDuties } from "./member-duties.ts";
import { type TokenRecord, Tokens } from "./tokens.ts";
import { type PromoteAnswer, paths, type RenewAnswer } from "./wire.ts";

export interface ServingOptions {
  readonly membership: HostMembership;
  readonly access: ClusterAccess;
  /** etcd's own unless given. */
  readonly members?: Members;
  readonly seats?: DutiesOptions["seats"];
  /** How often this host looks at its seat and its certificate without a reason, in milliseconds. */
  readonly intervalMs?: number;
}

const usualIntervalMs = 10_000;
const busyIntervalMs = 1_000;

/** Owns the host's duties and the loop that keeps them right. */
export class Serving {
  readonly membership: HostMembership;
  readonly access: ClusterAccess;
  readonly tables: JoinTables;
  readonly tokens: Tokens;
  readonly members: Members;
  readonly #options: ServingOptions;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #ends: (() => void)[] = [];
  #loop: Promise<void> = Promise.resolve();
  #nudge = new AbortController();
  #duties: MemberDuties | undefined;

  private constructor(options: ServingOptions, tables: JoinTables, tokens: Tokens) {
    this.#options = options;
    this.membership = options.membership;
    this.access = options.access;
    this.tables = tables;
    this.tokens = tokens;
    this.#log = options.membership.log;
    this.members = options.members ?? new EtcdMembers(() => options.membership.connection);
  }

  /** Begins. Whatever does not work at once is tried again; `nudge` and changes make it look. */
  static async start(options: ServingOptions): Promise<Serving> {
    const { membership, access } = options;
    const [admissions, revocations, tokens] = await Promise.all([
      access.table<Admission>(admissionsTable),
      access.table<Revocation>(revocationsTable),
      access.table<TokenRecord>(tokensTable),
    ]);
    const digest = certificateDigest(membership.keys.get().authority);
    const serving = new Serving(
      options,
      { admissions, revocations },
      new Tokens(tokens, digest, membership.now),
    );
    await serving.#begin();
    return serving;
  }

  /** Look now. */
  nudge(): void {
    this.#nudge.abort();
  }

  /** A new key and its certificate, before the old one's time too. @throws unavailable */
  async renewCertificate(): Promise<void> {
    const { nodeId } = this.membership;
    const { request, key } = await createRequest(nodeId);
    const answer = this.#duties
      ? await this.#duties.admitting.renew(nodeId, { request })
      : ((await this.membership.ask(paths.renew, { request })) as RenewAnswer);
    await this.membership.renewed(answer.certificate, key);
    this.#duties?.renew(this.membership);
    this.#log.info("this host has a new certificate");
  }

  /** Ends the duties; the host stays what it is. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.nudge();
    // nobody waits for a store that does not answer
    this.members.close();
    await this.#loop;
    for (const end of this.#ends) end();
    this.membership.lookOut(() => false);
    await this.#endDuties();
  }

  async #begin(): Promise<void> {
    this.#ends.push(
      this.tables.admissions.follow(() => this.nudge()),
      this.access.followLife(() => this.nudge()),
      this.membership.follow(({ kind }) => {
        if (kind === "connection" && this.members instanceof EtcdMembers) this.members.reconnect();
      }),
    );
    this.membership.lookOut(() => this.access.state === "connected");
    // the first look is waited for: a cluster that was just made admits hosts when this returns
    const isBusy = await this.#look();
    this.#loop = this.#run(isBusy);
  }

  async #run(isBusyAtFirst: boolean): Promise<void> {
    let isBusy = isBusyAtFirst;
    while (!this.#stopping.signal.aborted) {
      const pauseMs = isBusy ? busyIntervalMs : (this.#options.intervalMs ?? usualIntervalMs);
      await sleep(pauseMs, undefined, { signal: this.#nudge.signal }).catch(() => undefined);
      this.#nudge = new AbortController();
      if (!this.#stopping.signal.aborted) isBusy = await this.#look();
    }
  }

  /** One look at all of it; true when something is on its way. */
  async #look(): Promise<boolean> {
    try {
      if (this.access.state === "connected" && !(await this.#keepRecord())) return false;
      const isBusy = await this.#keepSeat();
      await this.#keepDuties();
      await this.#keepCertificate();
      return isBusy;
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      this.#log.warn(
        { reason: errorMessage(error) },
        "this host's part in the cluster is not as it should be",
      );
      return true;
    }
  }

  /** False when this host is not on record: it was removed. */
  async #keepRecord(): Promise<boolean> {
    const cluster = this.membership.cluster;
    if (!cluster) return false;
    const { admissions } = this.tables;
    if (!admissions.get(this.membership.nodeId)) {
      if (!cluster.isFounding) {
        this.membership.removed("this host was removed from the cluster");
        return false;
      }
      await this.#found();
    }
    const { isFounding: _, ...founded } = this.membership.cluster ?? cluster;
    const members = memberAddresses(admissions);
    await this.membership.remember({ ...founded, members: members.length > 0 ? members : cluster.members });
    return true;
  }

  async #found(): Promise<void> {
    const { nodeId, name, now, cluster, keys } = this.membership;
    if (!cluster) return;
    const { serial, notAfter } = readHostCertificate(keys.get().certificate);
    await this.tables.admissions.create(nodeId, {
      ...{ nodeId, name, address: cluster.address, ports: cluster.ports, wish: cluster.wish, seat: "member" },
      joinedAt: now().toISOString(),
      certificates: [{ serial, expiresAt: notAfter.toISOString() }],
    });
  }

  /** Whether the host is what its record says; true while it is on the way there. */
  async #keepSeat(): Promise<boolean> {
    const cluster = this.membership.cluster;
    const seat = this.tables.admissions.get(this.membership.nodeId)?.value.seat;
    if (!cluster || !seat || this.access.state === "frozen") return false;
    if (seat === "offered" && cluster.role === "node") return await this.#takeSeat();
    if (seat === "node" && cluster.role === "member") {
      this.#log.info("this host is a plain node of the cluster now");
      await this.#endDuties();
      await this.membership.stepDown();
    }
    if (seat === "member" && cluster.starting) {
      await this.membership.untilHealthy(busyIntervalMs);
      await this.membership.settleMember();
      this.#log.info("this host is a member of the cluster now");
    }
    if (seat === "offered" && cluster.starting) await this.#keepStarting(cluster, cluster.starting);
    return seat === "offered";
  }

  /** A host has left, say, since this one was offered its seat. */
  async #keepStarting(cluster: ClusterIdentity, given: readonly InitialMember[]): Promise<void> {
    const newcomer = { nodeId: this.membership.nodeId, peerUrl: peerUrl(cluster) };
    const members = changedMembers(await this.members.list(), { newcomer, given });
    if (!members) return;
    this.#log.info(
      { members: members.length },
      "the members changed: starting etcd with those that are there",
    );
    await this.membership.startWith(members);
  }

  async #takeSeat(): Promise<boolean> {
    const { request, key } = await createRequest(this.membership.nodeId);
    try {
      const answer = (await this.membership.ask(paths.promote, { request })) as PromoteAnswer;
      await this.membership.becomeMember(answer, key).catch((error) => this.#declineSeat(error));
    } catch (error) {
      // another host comes first, or the members have no quorum
      this.#log.debug({ reason: errorMessage(error) }, "this host cannot become a member yet");
    }
    return true;
  }

  async #declineSeat(error: unknown): Promise<void> {
    const reason = errorMessage(error)
      .replace(/\p{Cc}/gu, " ")
      .slice(0, 500);
    this.#log.error({ reason }, "this host cannot become a member");
    await this.membership.stepDown();
    await this.membership.ask(paths.decline, { reason });
  }

  /** A member's duties begin with its vote. */
  async #keepDuties(): Promise<void> {
    const { membership, access, tables, tokens, members } = this;
    const { cluster } = membership;
    const hasDuties = cluster?.role === "member" && !cluster.starting;
    if (!hasDuties) return await this.#endDuties();
    const { seats } = this.#options;
    const options = { membership, access, tables, tokens, members, log: this.#log, ...(seats && { seats }) };
    this.#duties ??= await MemberDuties.start(options);
  }

  async #endDuties(): Promise<void> {
    await this.#duties?.close();
    this.#duties = undefined;
  }

  async #keepCertificate(): Promise<void> {
    const { keys, now } = this.membership;
    if (now() >= renewalTime(readHostCertificate(keys.get().certificate))) await this.renewCertificate();
  }
}
