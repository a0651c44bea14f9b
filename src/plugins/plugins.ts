// Plugins by name: found when they are needed, activated once, reached again when they come back.

import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { access } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { errorMessage, notFound, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { findPlugin, listPlugins, type PluginAddress, type PluginFolders } from "./address.ts";
import { NotReached, PluginClient } from "./client.ts";

export interface PluginsOptions {
  readonly folders: PluginFolders;
  /** How long a call may take; a DHCP server may be asked in it. */
  readonly callMs?: number;
  /** How long a plugin that is on its way back is waited for. */
  readonly patienceMs?: number;
  /** How long one that nobody has heard of yet is waited for, where there are plugins at all: it may be just starting. */
  readonly newcomerMs?: number;
  readonly log: Log;
}

/** A plugin that answered. */
export interface ActivePlugin {
  readonly name: string;
  /** `NetworkDriver`, `IpamDriver`, `VolumeDriver`… */
  readonly kinds: ReadonlySet<string>;
}

const defaults = { callMs: 120_000, patienceMs: 3_000, newcomerMs: 3_000 };
const activationMs = 10_000;
const firstPauseMs = 50;
const longestPauseMs = 1_000;

/** Owns the connections to plugins. */
export class Plugins {
  readonly #options: Required<PluginsOptions>;
  readonly #plugins = new Map<string, Plugin>();
  readonly #listeners = new Set<() => void>();
  #watcher: FSWatcher | undefined;

  constructor(options: PluginsOptions) {
    this.#options = { ...defaults, ...options };
  }

  /** Undefined when nothing says where it is. @throws unavailable when it does not answer */
  async find(name: string): Promise<ActivePlugin | undefined> {
    if (!this.#plugins.has(name) && !(await this.#appears(name))) return undefined;
    return { name, kinds: await this.#plugin(name).activate() };
  }

  /** Calls to a plugin that may not be there yet: each one finds it, or fails. */
  caller(name: string): { readonly name: string; readonly call: Plugin["call"] } {
    return { name, call: (method, request) => this.#plugin(name).call(method, request) };
  }

  /** Whether it did not answer the last time that it was called. */
  isDown(name: string): boolean {
    return this.#plugins.get(name)?.isDown ?? false;
  }

  /** All that say where they are, whether they answer or not. */
  names(): Promise<string[]> {
    return listPlugins(this.#options.folders);
  }

  /** Tells when a socket has appeared where plugins' are. */
  onAppear(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#watch();
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#watcher?.close();
    this.#listeners.clear();
    for (const plugin of this.#plugins.values()) plugin.close();
    this.#plugins.clear();
  }

  /** dockerd waits 15 s for any name, on a machine that has never seen a plugin too. */
  async #appears(name: string): Promise<boolean> {
    const { folders, newcomerMs } = this.#options;
    const until = performance.now() + newcomerMs;
    for (;;) {
      if (await findPlugin(name, folders)) return true;
      if (performance.now() > until || !(await isFolder(folders.sockets))) return false;
      await pause(firstPauseMs);
    }
  }

  #plugin(name: string): Plugin {
    const known = this.#plugins.get(name);
    if (known) return known;
    const made = new Plugin(name, this.#options);
    this.#plugins.set(name, made);
    return made;
  }

  /** The folder is made where it is missing, as the first plugin would. */
  #watch(): void {
    if (this.#watcher) return;
    const { folders, log } = this.#options;
    try {
      mkdirSync(folders.sockets, { recursive: true });
      this.#watcher = watch(folders.sockets, (_, file) => {
        // a socket is there before it is listened on
        this.#plugins.get(file?.replace(/\.sock$/, "") ?? "")?.expect();
        for (const listener of this.#listeners) listener();
      });
      this.#watcher.on("error", (error) =>
        log.warn({ reason: errorMessage(error) }, "plugins are not watched"),
      );
      this.#watcher.unref();
    } catch (error) {
      log.debug({ folder: folders.sockets, reason: errorMessage(error) }, "plugins are not watched");
    }
  }
}

/** One plugin, wherever it is at the moment. */
class Plugin {
  readonly #name: string;
  readonly #options: Required<PluginsOptions>;
  #client: PluginClient | undefined;
  #address: string | undefined;
  #activation: Promise<ReadonlySet<string>> | undefined;
  /** The last attempt to reach it failed: the next one is not patient. */
  #isDown = false;

  constructor(name: string, options: Required<PluginsOptions>) {
    this.#name = name;
    this.#options = options;
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** It may be about to answer: the next call is patient again. */
  expect(): void {
    this.#isDown = false;
  }

  /** What it says it is; asked once. @throws unavailable, not-found */
  activate(): Promise<ReadonlySet<string>> {
    this.#activation ??= this.#activate().catch((error) => {
      this.#activation = undefined;
      throw error;
    });
    return this.#activation;
  }

  /** See `PluginCaller`. */
  async call(method: string, request?: object): Promise<Readonly<Record<string, unknown>>> {
    await this.activate();
    return await this.#patiently(method, request, this.#options.callMs);
  }

  close(): void {
    this.#client?.close();
  }

  async #activate(): Promise<ReadonlySet<string>> {
    const answer = await this.#patiently("Plugin.Activate", undefined, activationMs);
    const [, kinds] = Object.entries(answer).find(([key]) => key.toLowerCase() === "implements") ?? [];
    if (!Array.isArray(kinds) || !kinds.every((kind) => typeof kind === "string"))
      throw unavailable(`plugin ${this.#name}: Plugin.Activate: the answer does not say what it implements`);
    return new Set(kinds);
  }

  /** Only what the plugin has not heard is said again. */
  async #patiently(method: string, request: object | undefined, timeoutMs: number) {
    const until = performance.now() + (this.#isDown ? 0 : this.#options.patienceMs);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        const answer = await (await this.#reach()).call(method, request, { timeoutMs });
        this.#isDown = false;
        return answer;
      } catch (error) {
        if (!(error instanceof NotReached)) throw error;
        if (performance.now() + pauseMs > until) {
          this.#isDown = true;
          throw error;
        }
      }
      await pause(pauseMs);
    }
  }

  /** It may have come back at another place. */
  async #reach(): Promise<PluginClient> {
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

async function isFolder(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function keyOf(address: PluginAddress): string {
  return JSON.stringify(address);
}
