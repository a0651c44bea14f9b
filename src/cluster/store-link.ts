// The line to the store: one member at a time is followed and shown signs of life, and when it fails another one is, from
// where the copy stands. It never gives up.

import { setTimeout as sleep } from "node:timers/promises";
import { conflict, EngineError, errorMessage, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import {
  CompactedError,
  type Connection,
  type EtcdClient,
  openWatch,
  Pulse,
  type RunningWatch,
  readHead,
  readPrefix,
} from "./etcd/index.ts";
import type { Event } from "./gen/kv_pb.ts";
import type { KeySpace } from "./key-space.ts";
import type { NodeLease } from "./node-lease.ts";
import type { RecordEvent, Replica } from "./replica.ts";
import { sumUpTroubles } from "./trouble.ts";

export interface StoreLinkParts {
  readonly client: EtcdClient;
  readonly keys: KeySpace;
  readonly replica: Replica;
  readonly lease: NodeLease;
  readonly log: Log;
  /** etcd's own id of the store that the copy is of; undefined: none was read yet. */
  readonly storeId: string | undefined;
  /** The copy is whole and followed. `wasRead`: it was read anew. */
  readonly onConnected: (storeId: string, wasRead: boolean) => void;
  /** The line is lost, after so long without a sign of the store's life; another is tried at once. */
  readonly onLost: (error: EngineError, silentMs: number) => void;
  /** No member can be followed. `error` is the last one's, `trouble` says what is wrong with each. */
  readonly onRoundFailed: (error: EngineError, trouble: string) => void;
}

const limits = { readMs: 10_000, watchMs: 3_000, firstPauseMs: 100, longestPauseMs: 1_000 };

/** Why a line ended. */
interface Lost {
  readonly error: EngineError;
  readonly wasConnected: boolean;
  /** Nothing failed: there is a new connection in this one's place, or its member is one no longer. */
  readonly isHandedOver?: boolean;
}

/** Owns the watch and the signs of life. */
export class StoreLink {
  readonly #parts: StoreLinkParts;
  readonly #ending = new AbortController();
  readonly #ended: Promise<undefined>;
  #storeId: string | undefined;
  #strange: string | undefined;
  #isRead = false;
  #lastSign = 0;
  #running: Promise<void> | undefined;

  constructor(parts: StoreLinkParts) {
    this.#parts = parts;
    this.#storeId = parts.storeId;
    this.#ended = new Promise((resolve) => {
      this.#ending.signal.addEventListener("abort", () => resolve(undefined));
    });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const troubles = new Map<string, string>();
    let pauseMs = limits.firstPauseMs;
    while (!this.#ending.signal.aborted) {
      const members = this.#parts.client.connections();
      const at = members.find((member) => !troubles.has(member.name)) ?? members[0];
      if (!at) throw new Error("a store without endpoints");
      const lost = await Promise.race([this.#follow(at), this.#ended]);
      if (!lost || this.#ending.signal.aborted) return;
      if (lost.wasConnected) {
        troubles.clear();
        pauseMs = limits.firstPauseMs;
        this.#tellLoss(lost);
        this.#parts.onLost(lost.error, performance.now() - this.#lastSign);
      }
      if (lost.error instanceof CompactedError) {
        this.#isRead = false;
        continue;
      }
      if (lost.isHandedOver) continue;
      troubles.set(at.name, lost.error.message);
      at.blame();
      if (this.#parts.client.connections().some((other) => !troubles.has(other.name))) continue;
      this.#parts.onRoundFailed(lost.error, sumUpTroubles(troubles.values()));
      troubles.clear();
      // a tenth more or less, so that hosts that lost it together do not come back together
      await sleep(pauseMs * (0.9 + Math.random() / 5), undefined, { signal: this.#ending.signal }).catch(
        () => undefined,
      );
      pauseMs = Math.min(pauseMs * 2, limits.longestPauseMs);
    }
  }

  #tellLoss({ error, isHandedOver }: Lost): void {
    const { log } = this.#parts;
    const fields = { reason: error.message };
    if (isHandedOver) log.debug(fields, "following the store over another connection");
    else log.warn(fields, "lost the store, trying another member");
  }

  /** Follows a member until that fails. */
  async #follow(at: Connection): Promise<Lost> {
    let wasConnected = false;
    let watch: RunningWatch | undefined;
    let pulse: Pulse | undefined;
    try {
      const wasRead = await this.#catchUp(at);
      watch = await this.#openWatch(at);
      pulse = await Pulse.open(this.#parts.client, at);
      this.#ending.signal.throwIfAborted();
      await Promise.race([this.#parts.lease.announce(pulse), watch.ended]);
      this.#ending.signal.throwIfAborted();
      at.praise();
      wasConnected = true;
      this.#lastSign = performance.now();
      this.#parts.onConnected(this.#storeId ?? "", wasRead);
      const end = (await Promise.race([this.#beat(pulse, at), watch.ended])) ?? "ended";
      return { error: unavailable(`follow the store: ${end}`), wasConnected, isHandedOver: end !== "ended" };
    } catch (error) {
      const known = error instanceof EngineError ? error : unavailable(errorMessage(error), error);
      return { error: known, wasConnected };
    } finally {
      watch?.close();
      pulse?.close();
    }
  }

  /** Makes sure that the store is the one that the copy is of; reads it whole the first time. */
  async #catchUp(at: Connection): Promise<boolean> {
    const { client, keys } = this.#parts;
    const options = { doing: "reach the store", at, timeoutMs: limits.watchMs };
    const { storeId, revision } = await readHead(client, keys.prefix, options);
    // said once it stays true: the other store's revisions grow, and would soon look like those that were missed
    this.#strange ??= this.#strangeness(storeId, revision);
    if (this.#strange) throw conflict(`follow the store: ${this.#strange}`);
    if (!this.#isRead) await this.#read(at);
    const wasRead = !this.#isRead;
    this.#isRead = true;
    this.#storeId = storeId;
    return wasRead;
  }

  #strangeness(storeId: string, revision: number): string | undefined {
    const known = this.#parts.replica.revision;
    if (this.#storeId !== undefined && storeId !== this.#storeId)
      return `it is another one (${storeId}) than this host knew (${this.#storeId})`;
    if (revision < known)
      return `it is at revision ${revision}, and this host knew ${known}: it lost what it had`;
    return undefined;
  }

  async #read(at: Connection): Promise<void> {
    const { client, keys, replica, log } = this.#parts;
    const options = { doing: "read the cluster's records", at, timeoutMs: limits.readMs };
    const { revision, keys: found } = await readPrefix(client, keys.prefix, options);
    const records = found.flatMap((keyValue) => keys.recordOf(keyValue) ?? []);
    if (records.length < found.length)
      log.warn({ count: found.length - records.length }, "records of the cluster that are not ours");
    replica.reset(revision, records);
  }

  #openWatch(at: Connection): Promise<RunningWatch> {
    const { client, keys, replica } = this.#parts;
    return openWatch(client, at, {
      prefix: keys.prefix,
      fromRevision: replica.revision + 1,
      onRevision: (revision, events) => this.#apply(revision, events),
      timeoutMs: limits.watchMs,
    });
  }

  #apply(revision: number, events: readonly Event[]): void {
    const { replica, keys } = this.#parts;
    if (events.length === 0) replica.advance(revision);
    else
      replica.apply(
        revision,
        events.flatMap((event) => readEvent(keys, event)),
      );
  }

  /** Signs of life until one is not answered, or `at` is not the connection to follow any more: answers why. */
  async #beat(pulse: Pulse, at: Connection): Promise<string | undefined> {
    const { lease, client } = this.#parts;
    while (!this.#ending.signal.aborted) {
      await sleep(lease.intervalMs, undefined, { signal: this.#ending.signal }).catch(() => undefined);
      if (this.#ending.signal.aborted) return undefined;
      const connections = client.connections();
      if (!connections.includes(at))
        return connections.some(({ name }) => name === at.name)
          ? `this host shows ${at.name} another certificate now`
          : `${at.name} is no member any more`;
      await lease.beat(pulse);
      this.#lastSign = performance.now();
    }
    return undefined;
  }
}

function readEvent(keys: KeySpace, { type, kv }: Event): RecordEvent[] {
  const name = kv && keys.nameOf(kv.key);
  if (!name) return [];
  if (type === 1) return [{ ...name, value: undefined }];
  const record = keys.recordOf(kv);
  return record ? [record] : [];
}
