// What a member does for hosts that come: admits them for a token, renews their certificates, makes them members. Knows
// no HTTP; any member can do it, for all it needs is in the store and in the authority's key.

import { setTimeout as sleep } from "node:timers/promises";
import { formatAddress, sameAddress } from "../../netip/index.ts";
import { conflict, forbidden, unavailable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { peerUrl } from "../member/etcd-arguments.ts";
import { firstMembers } from "../member/first-members.ts";
import type { MemberRecord, Members } from "../member/members.ts";
import {
  type Authority,
  type HostCertificate,
  type HostRole,
  readHostCertificate,
  signRequest,
} from "../trust/index.ts";
import {
  type Admission,
  addressOf,
  type JoinTables,
  memberAddresses,
  passedOver,
  withCertificate,
} from "./admission.ts";
import type { Tokens } from "./tokens.ts";
import type {
  DeclineRequest,
  JoinAnswer,
  JoinRequest,
  LookAnswer,
  PromoteAnswer,
  RenewAnswer,
  SignedRequest,
} from "./wire.ts";

export interface AdmittingOptions {
  readonly clusterId: string;
  readonly authority: Authority;
  readonly tables: JoinTables;
  readonly tokens: Tokens;
  readonly members: Members;
  readonly isAlive: (nodeId: string) => boolean;
  readonly log: Log;
  readonly now?: () => Date;
  /** How long hosts' certificates are good for, in milliseconds. */
  readonly lifetimeMs?: number;
  /** How long etcd may refuse to take an earlier member of a newcomer away, in milliseconds. */
  readonly formerMs?: number;
}

/** etcd takes no member away while others have been in touch for less than five seconds; newcomers wait ten. */
const usualFormerMs = 7_000;
const retryMs = 200;

/** Admits hosts. Each operation may be asked for again when its answer was lost. */
export class Admitting {
  readonly #options: AdmittingOptions;
  readonly #now: () => Date;

  constructor(options: AdmittingOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
  }

  /**
   * A token for a certificate.
   * @throws unauthorized and forbidden for the token; conflict when the address or the id is another host's; unavailable
   */
  async join(request: JoinRequest): Promise<JoinAnswer> {
    const { tables, tokens, clusterId, log } = this.#options;
    const { admits } = tokens.check(request.token, request.wish === "member" ? "member" : "node");
    this.#checkNewcomer(request);
    await this.#removeFormer(peerUrl({ address: formatAddress(request.address), ports: request.ports }));
    const certificate = await this.#sign(request, { ...request, role: "node" });
    await tokens.spend(request.token, request.wish === "member" ? "member" : "node");
    // a token for plain nodes never leads to more, whatever seats come free
    const wish = admits === "node" ? "node" : request.wish;
    await this.#record({ ...admissionOf(request, this.#now()), wish }, readHostCertificate(certificate));
    log.info({ host: request.name, node: request.nodeId, wish }, "a host has joined the cluster");
    return { clusterId, wish, certificate, members: memberAddresses(tables.admissions) };
  }

  /** A new certificate for a host that shows its old one. @throws forbidden when it was removed; unavailable */
  async renew(nodeId: string, { request }: SignedRequest): Promise<RenewAnswer> {
    const role: HostRole = this.#admission(nodeId).value.seat === "member" ? "member" : "node";
    return { certificate: await this.#reissue(nodeId, request, role) };
  }

  /**
   * Makes a host a member that was offered a seat: expects it in etcd, and hands it what a member has. Whether it comes
   * up is looked after by `SeatKeeper`.
   * @throws forbidden without an offer; unavailable while another host becomes a member
   */
  async promote(nodeId: string, { request }: SignedRequest): Promise<PromoteAnswer> {
    const { members, authority, log } = this.#options;
    const value = this.#offered(nodeId);
    const url = peerUrl({ address: value.address, ports: value.ports });
    const before = await members.list();
    await this.#removeUnborn(before, url);
    await members.addLearner(url);
    // that may have taken its time: of a host that has left meanwhile, `SeatKeeper` removes it
    this.#offered(nodeId);
    log.info({ host: value.name, node: nodeId }, "expecting a new member");
    return {
      certificate: await this.#reissue(nodeId, request, "member"),
      authorityKey: authority.key,
      members: firstMembers(before, { nodeId, peerUrl: url }),
    };
  }

  /** A host that was offered a seat and cannot take it: it is not asked again for a while. */
  async decline(nodeId: string, { reason }: DeclineRequest): Promise<object> {
    const { members, tables, log } = this.#options;
    const entry = this.#admission(nodeId);
    const url = peerUrl(entry.value);
    log.warn({ host: entry.value.name, node: nodeId, reason }, "a host cannot become a member");
    for (const { id, peerUrls, isLearner } of await members.list())
      if (isLearner && peerUrls.includes(url)) await members.remove(id);
    if (entry.value.seat === "offered")
      await tables.admissions.replace(entry, passedOver(entry.value, this.#now()));
    return {};
  }

  /** For a host that lost touch with the store. */
  look(): LookAnswer {
    return { members: memberAddresses(this.#options.tables.admissions) };
  }

  /** The first host's own record, made when the cluster is. */
  async found(admission: Admission, certificate: string): Promise<void> {
    await this.#record(admission, readHostCertificate(certificate));
  }

  /** Whether this certificate is still good. @throws forbidden when the host was removed */
  checkClient({ nodeId, clusterId, serial }: HostCertificate): void {
    if (clusterId !== this.#options.clusterId || this.#options.tables.revocations.get(serial))
      throw forbidden("this host's certificate is no longer good: the host was removed from the cluster");
    this.#admission(nodeId);
  }

  /** @throws forbidden without an offer */
  #offered(nodeId: string): Admission {
    const { value } = this.#admission(nodeId);
    if (value.seat === "offered") return value;
    throw forbidden(
      value.seat === "member" ? "this host is a member already" : "the cluster needs no further member now",
    );
  }

  #admission(nodeId: string) {
    const entry = this.#options.tables.admissions.get(nodeId);
    if (!entry) throw forbidden("this host was removed from the cluster: join it again");
    return entry;
  }

  #checkNewcomer({ nodeId, name, address }: JoinRequest): void {
    for (const { value } of this.#options.tables.admissions.entries()) {
      const isHere = sameAddress(addressOf(value), address);
      if (value.nodeId !== nodeId && isHere)
        throw conflict(
          `${value.address} is the address of host ${value.name} (${value.nodeId}): if that host is gone, remove it first`,
        );
      if (value.nodeId !== nodeId) continue;
      if (value.seat !== "node")
        throw conflict(`host ${value.name} (${nodeId}) is a member of the cluster: remove it first`);
      if (!isHere && this.#options.isAlive(nodeId))
        throw conflict(
          `the node id of ${name} is that of host ${value.name} at ${value.address}, which is alive: was it cloned with its data folder?`,
        );
    }
  }

  /** What a host was before it left: counted on, it would pass for what the host is now, and never answer. */
  async #removeFormer(url: string): Promise<void> {
    const { members, log, formerMs = usualFormerMs } = this.#options;
    const deadline = performance.now() + formerMs;
    for (const { id, peerUrls } of await members.list()) {
      if (!peerUrls.includes(url)) continue;
      log.info({ url }, "removing the member that this host was before");
      for (;;) {
        try {
          await members.remove(id, { timeoutMs: Math.max(1, deadline - performance.now()) });
          break;
        } catch (error) {
          if (performance.now() >= deadline)
            throw unavailable(
              `the member at ${url} that this host was before is still there: try again`,
              error,
            );
          await sleep(retryMs);
        }
      }
    }
  }

  /** For a host that is on record, and stays as it is by now: one that left meanwhile is not put there again. */
  async #reissue(nodeId: string, request: string, role: HostRole): Promise<string> {
    const { value } = this.#admission(nodeId);
    const certificate = await this.#sign({ request }, { nodeId, role, address: addressOf(value) });
    const entry = this.#admission(nodeId);
    const next = withCertificate(entry.value, readHostCertificate(certificate), this.#now());
    await this.#options.tables.admissions.replace(entry, next);
    return certificate;
  }

  async #sign(
    { request }: SignedRequest,
    { nodeId, role, address }: Pick<JoinRequest, "nodeId" | "address"> & { readonly role: HostRole },
  ): Promise<string> {
    const { authority, clusterId, lifetimeMs } = this.#options;
    return await signRequest(
      authority,
      request,
      { nodeId, clusterId, role, addresses: [address] },
      { now: this.#now(), ...(lifetimeMs !== undefined && { lifetimeMs }) },
    );
  }

  /** A certificate is never given out unless it is on record, where it can be taken back. */
  async #record(admission: Admission, certificate: HostCertificate): Promise<void> {
    const { admissions } = this.#options.tables;
    const entry = admissions.get(admission.nodeId);
    const known = { ...admission, certificates: entry?.value.certificates ?? [] };
    const next = withCertificate(known, certificate, this.#now());
    if (entry) await admissions.replace(entry, next);
    else await admissions.create(admission.nodeId, next);
  }

  // What an attempt has left that was given up or forgotten. It never had a vote.
  async #removeUnborn(list: readonly MemberRecord[], url: string): Promise<void> {
    const { members, tables } = this.#options;
    for (const { id, peerUrls, isLearner } of list) {
      if (peerUrls.includes(url)) {
        if (!isLearner) throw conflict(`etcd has a member at ${url} already`);
        await members.remove(id);
      } else if (isLearner && !isOffered(tables, peerUrls)) await members.remove(id);
      else if (isLearner)
        throw unavailable("another host is becoming a member just now, and one can at a time: try again");
    }
  }
}

/** Whether somebody at one of these URLs was offered a seat. */
export function isOffered({ admissions }: JoinTables, peerUrls: readonly string[]): boolean {
  return [...admissions.entries()].some(
    ({ value }) => value.seat === "offered" && peerUrls.includes(peerUrl(value)),
  );
}

function admissionOf(request: JoinRequest, now: Date): Admission {
  return {
    nodeId: request.nodeId,
    name: request.name,
    address: formatAddress(request.address),
    ports: request.ports,
    wish: request.wish,
    seat: "node",
    joinedAt: now.toISOString(),
    certificates: [],
  };
}
