// What a host does because it is a member: it listens for those who join, keeps the seats, and tells its etcd which
// certificates are no longer good.

import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Undo } from "../../util/undo.ts";
import type { Members } from "../member/members.ts";
import type { ClusterAccess } from "../types.ts";
import type { JoinTables } from "./admission.ts";
import { Admitting } from "./admitting.ts";
import type { HostMembership } from "./host-membership.ts";
import { JoinServer } from "./join-server.ts";
import { SeatKeeper } from "./seat-keeper.ts";
import type { Tokens } from "./tokens.ts";

export interface DutiesOptions {
  readonly membership: HostMembership;
  readonly access: ClusterAccess;
  readonly tables: JoinTables;
  readonly tokens: Tokens;
  readonly members: Members;
  readonly log: Log;
  readonly seats?: { readonly patienceMs?: number; readonly intervalMs?: number };
}

/** Owns the listener and the loops. */
export class MemberDuties {
  readonly admitting: Admitting;
  readonly #undo: Undo;
  readonly #server: JoinServer;

  private constructor(admitting: Admitting, server: JoinServer, undo: Undo) {
    this.admitting = admitting;
    this.#server = server;
    this.#undo = undo;
  }

  /** @throws unavailable when the join port is taken */
  static async start(options: DutiesOptions): Promise<MemberDuties> {
    const { membership, access, tables, tokens, members, log } = options;
    const { cluster, keys } = membership;
    if (!cluster) throw new TypeError("a host without a cluster has no duties");
    const isAlive = (nodeId: string) => access.isAlive(nodeId);
    const authority = await keys.authority();
    const shared = { tables, members, isAlive, log, now: membership.now };
    const admitting = new Admitting({ ...shared, clusterId: cluster.id, authority, tokens });
    await using undo = new Undo(log);
    const place = cluster.listen ?? { address: cluster.address, port: cluster.ports.join };
    const server = await JoinServer.listen({ ...place, credentials: keys.get(), admitting, log });
    undo.defer("close the join port", () => server.close());
    const keeper = new SeatKeeper({ ...shared, elapsedMs: () => performance.now(), ...options.seats });
    undo.defer("keep seats no longer", () => keeper.close());
    undo.defer("follow hosts no longer", followHosts(options, keeper));
    undo.defer("follow revocations no longer", followRevocations(options));
    await tokens.sweep().catch((error) => log.debug({ reason: errorMessage(error) }, "old tokens stay"));
    return new MemberDuties(admitting, server, undo.move());
  }

  /** The host has a new certificate. */
  renew(membership: HostMembership): void {
    this.#server.renew(membership.keys.get());
  }

  async close(): Promise<void> {
    await this.#undo.dispose();
  }
}

function followHosts({ access, tables }: DutiesOptions, keeper: SeatKeeper): () => void {
  const ends = [access.followLife(() => keeper.nudge()), tables.admissions.follow(() => keeper.nudge())];
  return () => {
    for (const end of ends) end();
  };
}

/** One list after another: a list of its own for each change, the last one wins. */
function followRevocations({ membership, tables, log }: DutiesOptions): () => void {
  let writing = Promise.resolve();
  const write = () => {
    writing = writing
      .then(() => membership.keys.revoke(validRevocations(tables, membership.now())))
      .catch((error) =>
        log.error({ reason: errorMessage(error) }, "the list of revoked certificates stays as it was"),
      );
  };
  write();
  const end = tables.revocations.follow(write);
  return async () => {
    end();
    await writing;
  };
}

function validRevocations({ revocations }: JoinTables, now: Date): string[] {
  return [...revocations.entries()]
    .filter(({ value }) => value.expiresAt > now.toISOString())
    .map(({ key }) => key);
}
