// Plugins by name: found when they are needed, activated once, reached again when they come back.

import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { access } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { conflict, errorKind, errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { findPlugin, listPlugins, type PluginFolders } from "./address.ts";
import { bookInMemory, type DebtBook } from "./debts.ts";
import { type Located, Plugin } from "./plugin.ts";

/** Plugins that are run for us, beside those that say where they are. */
export interface PluginSource {
  /** Of those that are switched on. */
  names(): readonly string[];
  /** Undefined: none has this name. @throws unavailable for one that is switched off */
  locate(name: string): Promise<Located | undefined>;
  /** Tells when one answers. */
  onReady(listener: (name: string) => void): () => void;
}

export interface PluginsOptions {
  readonly folders: PluginFolders;
  /** How long a call may take; a DHCP server may be asked in it. */
  readonly callMs?: number;
  /** How long one may take that tells of an end; later the plugin hears of it again. */
  readonly endMs?: number;
  /** How long it may take to say what it is. */
  readonly activationMs?: number;
  /** How long a plugin that is on its way back is waited for. */
  readonly patienceMs?: number;
  /** How long one that nobody has heard of yet is waited for, where there are plugins at all: it may be just starting. */
  readonly newcomerMs?: number;
  /** Looked at first. */
  readonly managed?: PluginSource;
  /** What plugins have yet to hear; absent: that ends with the process. */
  readonly debts?: DebtBook;
  readonly log: Log;
}

/** A plugin that answered. */
export interface ActivePlugin {
  readonly name: string;
  /** `NetworkDriver`, `IpamDriver`, `VolumeDriver`… */
  readonly kinds: ReadonlySet<string>;
}

const defaults = {
  callMs: 120_000,
  endMs: 10_000,
  activationMs: 10_000,
  patienceMs: 3_000,
  newcomerMs: 3_000,
};
const noSource: PluginSource = {
  names: () => [],
  locate: async () => undefined,
  onReady: () => () => undefined,
};
const firstPauseMs = 50;
/** How long a list of plugins waits for one that does not answer. */
const glanceMs = 500;

/** See `PluginCaller` of the driver kit. */
export interface PluginCalls extends Pick<Plugin, "call" | "owe" | "incarnation"> {
  readonly name: string;
}

/** Owns the connections to plugins. */
export class Plugins {
  readonly #options: Required<PluginsOptions>;
  readonly #plugins = new Map<string, Plugin>();
  readonly #listeners = new Set<() => void>();
  readonly #leave: () => void;
  #watcher: FSWatcher | undefined;

  constructor(options: PluginsOptions) {
    this.#options = { ...defaults, debts: bookInMemory(), managed: noSource, ...options };
    this.#leave = this.#options.managed.onReady((name) => this.#appeared(name, name.replace(/:latest$/, "")));
    for (const [, { plugin }] of this.#options.debts.entries()) this.#plugin(plugin).remind();
  }

  /** Undefined when nothing says where it is. @throws unavailable when it does not answer */
  async find(name: string): Promise<ActivePlugin | undefined> {
    if (!this.#plugins.has(name) && !(await this.#appears(name).catch(asRefusal))) return undefined;
    return { name, kinds: await this.#plugin(name).activate() };
  }

  /** Calls to a plugin that may not be there yet: each one finds it, or fails. */
  caller(name: string): PluginCalls {
    const plugin = () => this.#plugin(name);
    return {
      name,
      call: (method, request) => plugin().call(method, request),
      owe: (method, request) => plugin().owe(method, request),
      incarnation: () => plugin().incarnation(),
    };
  }

  /** Whether it did not answer the last time that it was called. */
  isAway(name: string): boolean {
    return this.#plugins.get(name)?.isAway ?? false;
  }

  /** What it is, if it says so at once: nobody waits for it. */
  async kindsNow(name: string): Promise<ReadonlySet<string>> {
    return await this.#plugin(name)
      .activate({ patienceMs: 0, timeoutMs: glanceMs })
      .catch(() => new Set<string>());
  }

  /** All that say where they are, whether they answer or not, and those that are run for us. */
  async names(): Promise<string[]> {
    const { folders, managed } = this.#options;
    return [...managed.names(), ...(await listPlugins(folders))];
  }

  /** Tells when a socket has appeared where plugins' are. */
  onAppear(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#watch();
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#leave();
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
      if (await this.#locate(name)) return true;
      if (performance.now() > until || !(await isFolder(folders.sockets))) return false;
      await pause(firstPauseMs);
    }
  }

  #plugin(name: string): Plugin {
    const known = this.#plugins.get(name);
    if (known) return known;
    const made = new Plugin(name, {
      ...this.#options,
      locate: (name) => this.#locate(name),
      awaited: () => this.#watch(),
    });
    this.#plugins.set(name, made);
    return made;
  }

  async #locate(name: string): Promise<Located | undefined> {
    const { folders, managed } = this.#options;
    const located = await managed.locate(name);
    if (located) return located;
    const address = await findPlugin(name, folders);
    return address && { address };
  }

  #appeared(...names: readonly string[]): void {
    for (const name of names) this.#plugins.get(name)?.expect();
    for (const listener of this.#listeners) listener();
  }

  /** The folder is made where it is missing, as the first plugin would. */
  #watch(): void {
    if (this.#watcher) return;
    const { folders, log } = this.#options;
    try {
      mkdirSync(folders.sockets, { recursive: true });
      this.#watcher = watch(folders.sockets, (_, file) => {
        // a socket is there before it is listened on
        this.#appeared(file?.replace(/\.sock$/, "") ?? "");
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

/** Who names one that is switched off is to switch it on; only who has used it before waits for that. */
function asRefusal(error: unknown): never {
  throw errorKind(error) === "unavailable" ? conflict(errorMessage(error)) : error;
}

async function isFolder(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
