// The members as asked of etcd over its own API, at whichever member answers.

import { EngineError, errorKind, forbidden, unavailable } from "../../util/errors.ts";
import {
  addMember,
  type EtcdAlarm,
  EtcdClient,
  type EtcdOptions,
  listAlarms,
  listMembers,
  memberStatus,
  moveLead,
  parseEndpoints,
  promoteMember,
  removeMember,
} from "../etcd/index.ts";
import { type Credentials, memberName } from "../trust/index.ts";
import type { MemberRecord, Members } from "./members.ts";

/** Where the cluster's store is, and what a host shows there. */
export interface StoreConnection {
  readonly clusterId: string;
  readonly nodeId: string;
  /** `https://address:port` of every member. */
  readonly endpoints: readonly string[];
  readonly credentials: Credentials;
}

/** Asks for the connection anew at each change of it: `reconnect`. */
export class EtcdMembers implements Members {
  readonly #connection: () => StoreConnection | undefined;
  #client: EtcdClient | undefined;
  #isClosed = false;

  constructor(connection: () => StoreConnection | undefined) {
    this.#connection = connection;
  }

  async list(): Promise<readonly MemberRecord[]> {
    return await listMembers(this.#open());
  }

  async addLearner(peerUrl: string): Promise<void> {
    try {
      await addMember(this.#open(), [peerUrl], { isLearner: true });
    } catch (error) {
      // one learner at a time; that of another host goes soon
      if (errorKind(error) !== "conflict") throw error;
      throw unavailable("add a member to the store: another is on its way: try again", error);
    }
  }

  async promote(id: string): Promise<void> {
    await promoteMember(this.#open(), id);
  }

  async yieldLead({ clientUrls, id }: MemberRecord, heirs: readonly MemberRecord[]): Promise<void> {
    const client = this.#open();
    const at = client.connections().find(({ name }) => clientUrls.some((url) => url.endsWith(`//${name}`)));
    if (!at || !(await memberStatus(client, at)).isLeader) return;
    for (const heir of heirs) {
      const isDone = await moveLead(client, at, heir.id).then(
        () => true,
        () => false,
      );
      if (isDone) return;
    }
    throw unavailable(`hand over the lead of member ${id}: no other takes it`);
  }

  async remove(id: string, options?: { readonly timeoutMs: number }): Promise<void> {
    try {
      await removeMember(this.#open(), id, options);
    } catch (error) {
      if (errorKind(error) !== "not-found") throw error;
    }
  }

  async alarms(): Promise<readonly EtcdAlarm[]> {
    return await listAlarms(this.#open());
  }

  /** The endpoints or the credentials are others now. What is under way at members that stay goes on. */
  reconnect(): void {
    const access = this.#access();
    if (access) this.#client?.use(access);
    else this.#drop();
  }

  /** What is under way ends. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #drop(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #open(): EtcdClient {
    if (this.#client) return this.#client;
    if (this.#isClosed)
      throw new EngineError("cancelled", "ask the cluster's members: this host does so no longer");
    const access = this.#access();
    if (!access) throw forbidden("ask the cluster's members: this host belongs to no cluster");
    this.#client = new EtcdClient(access);
    return this.#client;
  }

  #access(): Pick<EtcdOptions, "endpoints" | "tls"> | undefined {
    const connection = this.#connection();
    if (!connection) return undefined;
    const { authority: ca, certificate: cert, key } = connection.credentials;
    return {
      endpoints: parseEndpoints(connection.endpoints.join(",")),
      tls: { ca, cert, key, serverName: memberName },
    };
  }
}
