// Encrypted networks that this host carries: what is to be sealed is asked of it by the guard of tunnels, and it tells when
// that is something else. Keys come from the cluster's store; until it has been reached the kernel keeps what it has.

import type { ClusterAccess, ClusterNode, EncryptionWish, Host } from "../../src/driverapi/index.ts";
import { errorMessage } from "../../src/util/errors.ts";
import type { SenderLife } from "./encryption-keys.ts";
import { planSeals } from "./encryption-plan.ts";
import {
  beginLife,
  forgetSenders,
  type KeyTable,
  needRing,
  ringIn,
  rotate,
  rotationDelay,
  rotationMs,
  type Surroundings,
  senderIn,
  surroundings,
  tableName,
} from "./encryption-ring.ts";

export interface EncryptionOptions extends Surroundings {
  readonly rotationMs: number;
  /** How long what an earlier process sent by is used on: by then all others have heard of this one. */
  readonly formerMs: number;
}

const retryMs = 1_000;
const defaults: EncryptionOptions = { ...surroundings, rotationMs, formerMs: 10_000 };

/** Owns this host's part of the ring. */
export class Encryption {
  readonly #log: Host["log"];
  readonly #options: EncryptionOptions;
  readonly #vnis = new Map<string, readonly number[]>();
  #session: KeySession | undefined;
  #isSwept = false;
  /** Called when `wish` has another answer. */
  onChange: () => void = () => undefined;

  constructor({ log }: Pick<Host, "log">, options: Partial<EncryptionOptions> = {}) {
    this.#log = log;
    this.#options = { ...defaults, ...options };
  }

  /** Before the network's tunnels are opened, and before the guard is asked to be in force. */
  async hold(networkId: string, vnis: readonly number[], cluster: ClusterAccess): Promise<void> {
    this.#vnis.set(networkId, vnis);
    if (this.#session?.cluster !== cluster) {
      this.#session?.close();
      this.#session = new KeySession(cluster, {
        log: this.#log,
        options: this.#options,
        onChange: () => this.onChange(),
      });
    }
    await this.#session.settled();
  }

  /** With the last network the keys go. */
  release(networkId: string): void {
    if (!this.#vnis.delete(networkId)) return;
    if (this.#vnis.size === 0) this.#end();
    this.onChange();
  }

  /** All that is on record has been held by now. */
  sweep(): void {
    if (this.#isSwept) return;
    this.#isSwept = true;
    this.onChange();
  }

  /** Undefined: there are no encrypted networks. */
  wish(self: ClusterNode, nodes: readonly ClusterNode[]): EncryptionWish | undefined {
    if (this.#vnis.size === 0 && this.#isSwept) return undefined;
    const session = this.#session;
    return {
      vnis: [...this.#vnis.values()].flat(),
      keepsOld: !this.#isSwept,
      plan: session?.plan(self, nodes),
      onLost: () => session?.renew(),
    };
  }

  #end(): void {
    this.#session?.close();
    this.#session = undefined;
  }
}

interface SessionOptions {
  readonly log: Host["log"];
  readonly options: EncryptionOptions;
  readonly onChange: () => void;
}

/** The keys of one membership. */
class KeySession {
  readonly cluster: ClusterAccess;
  readonly #own: SessionOptions;
  readonly #unfollow: (() => void)[] = [];
  readonly #opening: Promise<void>;
  #table: KeyTable | undefined;
  #life: SenderLife | undefined;
  #staysFormer = true;
  #work: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #rotation: NodeJS.Timeout | undefined;
  #former: NodeJS.Timeout | undefined;
  #seenRing = 0;
  #isClosed = false;

  constructor(cluster: ClusterAccess, own: SessionOptions) {
    this.cluster = cluster;
    this.#own = own;
    this.#opening = this.#open();
  }

  /** Keys are there, or the store is away. */
  async settled(): Promise<void> {
    const aMoment = new Promise<void>((resolve) => setImmediate(resolve));
    await (this.cluster.state === "connected" ? this.#opening : Promise.race([this.#opening, aMoment]));
  }

  plan(self: ClusterNode, nodes: readonly ClusterNode[]) {
    const table = this.#table;
    const ring = table && ringIn(table);
    if (!table || !ring || !this.#life) return undefined;
    const senderOf = (node: string) => senderIn(table, node);
    return planSeals({ self, nodes, ring, senderOf, life: this.#life, staysFormer: this.#staysFormer });
  }

  /** Something that this host sends by was lost: others follow, with other keys. */
  renew(): void {
    const { log } = this.#own;
    log.warn("associations of encrypted networks were removed by somebody else: others are made");
    this.#staysFormer = false;
    this.#life = undefined;
    this.#start();
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of [this.#retry, this.#rotation, this.#former]) clearTimeout(timer);
    for (const unfollow of this.#unfollow.splice(0)) unfollow();
  }

  async #open(): Promise<void> {
    const table: KeyTable = await this.cluster.table(tableName);
    if (this.#isClosed) return;
    this.#table = table;
    this.#unfollow.push(
      table.follow(() => {
        this.#schedule();
        this.#own.onChange();
      }),
      this.cluster.nodes.follow((changes) => {
        if (changes.some(({ kind }) => kind === "delete")) this.#forget(table);
      }),
      this.cluster.followLife(() => this.#start()),
    );
    this.#start();
    await this.#work;
  }

  /** Makes what is missing; again when the store was away. */
  #start(): void {
    const table = this.#table;
    if (!table || this.#work || this.#isClosed || (this.#life && ringIn(table))) return;
    clearTimeout(this.#retry);
    this.#work = this.#need(table)
      .catch((error) => {
        this.#own.log.debug({ reason: errorMessage(error) }, "no keys for encrypted networks yet");
        this.#retry = setTimeout(() => this.#start(), retryMs).unref();
      })
      .finally(() => {
        this.#work = undefined;
      });
  }

  async #need(table: KeyTable): Promise<void> {
    const { options, onChange } = this.#own;
    await needRing(table, options);
    this.#life ??= (await beginLife(this.cluster, table, options)).life;
    if (this.#staysFormer) this.#former ??= setTimeout(() => this.#leaveFormer(), options.formerMs).unref();
    this.#schedule();
    onChange();
  }

  #leaveFormer(): void {
    this.#staysFormer = false;
    this.#own.onChange();
  }

  /** Whoever is first rotates; the others see it and wait anew. */
  #schedule(): void {
    const { options } = this.#own;
    const ring = this.#table && ringIn(this.#table);
    if (!ring || ring.current.id === this.#seenRing) return;
    this.#seenRing = ring.current.id;
    clearTimeout(this.#rotation);
    const delay = rotationDelay(ring, options.now(), options.rotationMs);
    this.#rotation = setTimeout(() => this.#rotate(), delay).unref();
  }

  #rotate(): void {
    const { log, options } = this.#own;
    const table = this.#table;
    if (!table || this.#isClosed) return;
    rotate(table, options).catch((error) => {
      log.warn({ reason: errorMessage(error) }, "cannot rotate the keys of encrypted networks yet");
      this.#rotation = setTimeout(() => this.#rotate(), retryMs * 10).unref();
    });
  }

  #forget(table: KeyTable): void {
    const isKnown = (node: string) => this.cluster.nodes.get(node) !== undefined;
    forgetSenders(this.cluster, table, isKnown).catch((error) => {
      this.#own.log.debug({ reason: errorMessage(error) }, "keys of hosts that left stay for now");
    });
  }
}
