// The members as asked of etcd over its own API, at whichever member answers.

import { errorKind, forbidden, unavailable } from "../../util/errors.ts";
import {
  addMember,
  EtcdClient,
  listMembers,
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

  async remove(id: string): Promise<void> {
    try {
      await removeMember(this.#open(), id);
    } catch (error) {
      if (errorKind(error) !== "not-found") throw error;
    }
  }

  /** The endpoints or the credentials are others now. */
  reconnect(): void {
    this.close();
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #open(): EtcdClient {
    if (this.#client) return this.#client;
    const connection = this.#connection();
    if (!connection) throw forbidden("ask the cluster's members: this host belongs to no cluster");
    const { authority: ca, certificate: cert, key } = connection.credentials;
    this.#client = new EtcdClient({
      endpoints: parseEndpoints(connection.endpoints.join(",")),
      tls: { ca, cert, key, serverName: memberName },
    });
    return this.#client;
  }
}
