// One plugin, wherever it is at the moment: activated once, called patiently, and told what it has missed before it hears
// anything else.

import { setTimeout as pause } from "node:timers/promises";
import { errorKind, errorMessage, notFound, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { PluginAddress } from "./address.ts";
import { NotReached, PluginClient } from "./client.ts";
import { type DebtBook, Debts } from "./debts.ts";

/** Where a plugin is, and what is known of it that it need not be asked. */
export interface Located {
  readonly address: PluginAddress;
  /** See `ActivePlugin`; absent: it is asked. */
  readonly kinds?: ReadonlySet<string>;
  /** How long a call to it may take; absent: as long as to any. */
  readonly callMs?: number;
}

export interface PluginSettings {
  /** Where a plugin is at the moment. */
  readonly locate: (name: string) => Promise<Located | undefined>;
  readonly callMs: number;
  readonly endMs: number;
  readonly activationMs: number;
  readonly patienceMs: number;
  readonly debts: DebtBook;
  /** Told when something waits for the plugin to come back. */
  readonly awaited: () => void;
  readonly log: Log;
}

type Answer = Readonly<Record<string, unknown>>;

const firstPauseMs = 50;
/** Of one whose file may be anywhere nobody tells. */
const longestPauseMs = 250;
/** A file that says where a plugin is may be anywhere: no folder tells of all of them. */
const longestRemindMs = 30_000;

/** Owns the connections to it. */
export class Plugin {
  readonly #name: string;
  readonly #options: PluginSettings;
  readonly #debts: Debts;
  #client: PluginClient | undefined;
  #activation: Promise<ReadonlySet<string>> | undefined;
  /** The last attempt to reach it failed: the next one is not patient. */
  #isDown = false;
  #isAway = false;
  /** How often it was not there when it was called. */
  #absences = 0;
  /** Somebody says that it may be about to answer. */
  #arrival = Promise.withResolvers<void>();
  #reminder: NodeJS.Timeout | undefined;
  #isClosed = false;
  #callMs: number;

  constructor(name: string, options: PluginSettings) {
    this.#name = name;
    this.#options = options;
    this.#callMs = options.callMs;
    this.#debts = new Debts(name, options.debts, options.log);
  }

  /** It did not answer the last time that it was called. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** It may be about to answer: the next call is patient again. */
  expect(): void {
    this.#isDown = false;
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
    this.remind();
  }

  /** What it says it is; asked once. @throws unavailable */
  activate(limits: { readonly patienceMs?: number; readonly timeoutMs?: number } = {}) {
    this.#activation ??= this.#activate(limits).catch((error) => {
      this.#activation = undefined;
      throw error;
    });
    return this.#activation;
  }

  /** See `PluginCaller`. */
  async call(method: string, request?: object): Promise<Answer> {
    await this.activate();
    return await this.#watched(() =>
      this.#patiently(this.#options.patienceMs, async () => {
        await this.#settle();
        return await this.#post(method, request, this.#callMs);
      }),
    );
  }

  /** See `PluginCaller`. */
  async owe(method: string, request: object): Promise<Answer | undefined> {
    // in the order of their coming: nothing goes before what is owed
    if (this.#debts.isEmpty) {
      try {
        await this.activate({ patienceMs: 0 });
        return await this.#watched(() => this.#post(method, request, this.#options.endMs));
      } catch (error) {
        if (errorKind(error) !== "unavailable") throw error;
        const fields = { plugin: this.#name, method, reason: errorMessage(error) };
        this.#options.log.warn(fields, "a plugin is away: it will hear of this when it is back");
      }
    }
    await this.#debts.add(method, request);
    this.#options.awaited();
    this.remind();
    return undefined;
  }

  /** See `PluginCaller`. */
  async incarnation(): Promise<string | undefined> {
    const located = await this.#locate().catch(() => undefined);
    if (!located) return undefined;
    const { address } = located;
    // of a port nothing shows that another listens there, but that for a while nobody did
    return address.kind === "unix" ? keyOf(address) : `${keyOf(address)} ${this.#absences}`;
  }

  /** Tells it what it is owed, now if it answers, else as soon as it does. Waits for nothing. */
  remind(): void {
    clearTimeout(this.#reminder);
    if (!this.#debts.isEmpty) void this.#remind(firstPauseMs);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reminder);
    this.#client?.close();
    this.#client = undefined;
  }

  async #remind(pauseMs: number): Promise<void> {
    try {
      await this.activate({ patienceMs: 0 });
      await this.#settle();
    } catch {
      clearTimeout(this.#reminder);
      if (this.#isClosed) return;
      const next = Math.min(2 * pauseMs, longestRemindMs);
      this.#reminder = setTimeout(() => void this.#remind(next), pauseMs).unref();
    }
  }

  async #settle(): Promise<void> {
    await this.#debts.settle(({ method, request }) => this.#post(method, request, this.#options.endMs));
  }

  async #activate({ patienceMs = this.#options.patienceMs, timeoutMs = this.#options.activationMs }) {
    const located = await this.#locate();
    if (located?.kinds) return located.kinds;
    let answer: Answer;
    try {
      answer = await this.#watched(() =>
        this.#patiently(patienceMs, () => this.#post("Plugin.Activate", undefined, timeoutMs)),
      );
    } catch (error) {
      if (errorKind(error) === "not-implemented") return await this.#kindsByMethods(timeoutMs);
      throw error;
    }
    const [, kinds] = Object.entries(answer).find(([key]) => key.toLowerCase() === "implements") ?? [];
    if (!Array.isArray(kinds) || !kinds.every((kind) => typeof kind === "string"))
      throw unavailable(`plugin ${this.#name}: Plugin.Activate: the answer does not say what it implements`);
    return new Set<string>(kinds);
  }

  /** Plugins that are made to be managed have no handshake; somebody may start one by hand all the same. */
  async #kindsByMethods(timeoutMs: number): Promise<ReadonlySet<string>> {
    const kinds = new Set<string>();
    for (const kind of ["NetworkDriver", "IpamDriver"]) {
      const answer = this.#post(`${kind}.GetCapabilities`, undefined, timeoutMs);
      if (await answer.catch(() => undefined)) kinds.add(kind);
    }
    return kinds;
  }

  /** Only what the plugin has not heard is said again. */
  async #patiently<T>(patienceMs: number, work: () => Promise<T>): Promise<T> {
    const until = performance.now() + (this.#isDown ? 0 : patienceMs);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      const arrival = this.#arrival.promise;
      try {
        const answer = await work();
        this.#isDown = false;
        return answer;
      } catch (error) {
        if (!(error instanceof NotReached)) throw error;
        if (performance.now() + pauseMs > until) {
          // who was not patient does not take that away from the next one
          if (patienceMs > 0) this.#isDown = true;
          throw error;
        }
      }
      this.#options.awaited();
      await Promise.race([pause(pauseMs), arrival]);
    }
  }

  /** Notes whether it answers. */
  async #watched<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      this.#isAway = false;
      return answer;
    } catch (error) {
      this.#isAway = errorKind(error) === "unavailable";
      throw error;
    }
  }

  /** Where it was the last time; if nobody is there any more, wherever it says that it is now. */
  async #post(method: string, request: object | undefined, timeoutMs: number): Promise<Answer> {
    const known = this.#client;
    try {
      const client = known ?? (await this.#reach());
      return await client.call(method, request, { timeoutMs });
    } catch (error) {
      if (!(error instanceof NotReached)) throw error;
      this.#absences++;
      this.#forget(known);
      if (!known) throw error;
    }
    return await this.#post(method, request, timeoutMs);
  }

  /** @throws `NotReached` when nothing says where it is */
  async #reach(): Promise<PluginClient> {
    if (this.#isClosed) throw unavailable(`plugin ${this.#name}: the daemon ends`);
    const located = await this.#locate();
    if (!located)
      throw new NotReached(`plugin ${this.#name} is not there`, notFound(`plugin ${this.#name} not found`));
    this.#client ??= await PluginClient.open(this.#name, located.address);
    return this.#client;
  }

  async #locate(): Promise<Located | undefined> {
    const located = await this.#options.locate(this.#name);
    this.#callMs = located?.callMs ?? this.#options.callMs;
    return located;
  }

  /** Calls that others have under way on it go on. */
  #forget(client: PluginClient | undefined): void {
    if (this.#client === client) this.#client = undefined;
  }
}

function keyOf(address: PluginAddress): string {
  return JSON.stringify(address);
}
