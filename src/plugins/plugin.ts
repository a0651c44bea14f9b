// One plugin, wherever it is at the moment: activated once, called patiently, and told what it has missed before it hears
// anything else.

import { setTimeout as pause } from "node:timers/promises";
import { errorKind, errorMessage, notFound, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { findPlugin, type PluginAddress, type PluginFolders } from "./address.ts";
import { NotReached, PluginClient } from "./client.ts";
import { type DebtBook, Debts } from "./debts.ts";

export interface PluginSettings {
  readonly folders: PluginFolders;
  readonly callMs: number;
  readonly endMs: number;
  readonly patienceMs: number;
  readonly debts: DebtBook;
  /** Told when something waits for the plugin to come back. */
  readonly awaited: () => void;
  readonly log: Log;
}

type Answer = Readonly<Record<string, unknown>>;

const activationMs = 10_000;
const firstPauseMs = 50;
const longestPauseMs = 1_000;
/** A file that says where a plugin is may be anywhere: no folder tells of all of them. */
const longestRemindMs = 30_000;

/** Owns the connections to it. */
export class Plugin {
  readonly #name: string;
  readonly #options: PluginSettings;
  readonly #debts: Debts;
  #client: PluginClient | undefined;
  #address: string | undefined;
  #activation: Promise<ReadonlySet<string>> | undefined;
  /** The last attempt to reach it failed: the next one is not patient. */
  #isDown = false;
  #isAway = false;
  /** How often it was not there when it was called. */
  #absences = 0;
  #reminder: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(name: string, options: PluginSettings) {
    this.#name = name;
    this.#options = options;
    this.#debts = new Debts(name, options.debts, options.log);
  }

  /** It did not answer the last time that it was called. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** It may be about to answer: the next call is patient again. */
  expect(): void {
    this.#isDown = false;
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
        return await this.#post(method, request, this.#options.callMs);
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
    const address = await findPlugin(this.#name, this.#options.folders).catch(() => undefined);
    if (!address) return undefined;
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

  async #activate({ patienceMs = this.#options.patienceMs, timeoutMs = activationMs }) {
    const answer = await this.#watched(() =>
      this.#patiently(patienceMs, () => this.#post("Plugin.Activate", undefined, timeoutMs)),
    );
    const [, kinds] = Object.entries(answer).find(([key]) => key.toLowerCase() === "implements") ?? [];
    if (!Array.isArray(kinds) || !kinds.every((kind) => typeof kind === "string"))
      throw unavailable(`plugin ${this.#name}: Plugin.Activate: the answer does not say what it implements`);
    return new Set<string>(kinds);
  }

  /** Only what the plugin has not heard is said again. */
  async #patiently<T>(patienceMs: number, work: () => Promise<T>): Promise<T> {
    const until = performance.now() + (this.#isDown ? 0 : patienceMs);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
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
      await pause(pauseMs);
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

  async #post(method: string, request: object | undefined, timeoutMs: number): Promise<Answer> {
    try {
      return await (await this.#reach()).call(method, request, { timeoutMs });
    } catch (error) {
      if (error instanceof NotReached) this.#absences++;
      throw error;
    }
  }

  /** It may have come back at another place. */
  async #reach(): Promise<PluginClient> {
    if (this.#isClosed) throw unavailable(`plugin ${this.#name}: the daemon ends`);
    const address = await findPlugin(this.#name, this.#options.folders);
    if (!address)
      throw new NotReached(`plugin ${this.#name} is not there`, notFound(`plugin ${this.#name} not found`));
    const key = keyOf(address);
    if (this.#client && this.#address === key) return this.#client;
    this.#client?.close();
    this.#client = await PluginClient.open(this.#name, address);
    this.#address = key;
    return this.#client;
  }
}

function keyOf(address: PluginAddress): string {
  return JSON.stringify(address);
}
