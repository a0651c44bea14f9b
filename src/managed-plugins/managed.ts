// Plugins that the daemon runs itself: kept on record, unpacked, and run while they are enabled.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Collection, Store } from "../store/index.ts";
import { conflict, errorMessage, notFound, unavailable } from "../util/errors.ts";
import { newId } from "../util/ids.ts";
import type { Log } from "../util/log.ts";
import { splitArchive } from "./archive.ts";
import { kindsOf, type PluginConfig } from "./config.ts";
import { fullNameOf, type PluginName } from "./names.ts";
import { type PluginGround, PluginProcess, socketOf } from "./process.ts";
import type { PluginRecord } from "./record.ts";
import { type LayerSource, makeRootfs, removeRootfs, sweepRootfs } from "./rootfs.ts";
import { defaultSettings, withSettings } from "./settings.ts";
import type { PluginPlaces } from "./spec.ts";

export interface ManagedPluginsOptions {
  readonly store: Store;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly log: Log;
}

/** Where an enabled plugin is, for those who call it. */
export interface LocatedPlugin {
  readonly address: { readonly kind: "unix"; readonly path: string };
  /** `NetworkDriver`, `IpamDriver`…: it is not asked. */
  readonly kinds: ReadonlySet<string>;
  /** How long a call may take; absent: as long as to any. */
  readonly callMs?: number;
}

/** How long a caller waits for one that is just starting. */
const startingMs = 3_000;
const layerType = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/** Owns records and processes. Changes of one plugin come one after another: that is the caller's to see to. */
export class ManagedPlugins {
  readonly #options: ManagedPluginsOptions;
  readonly #records: Collection<PluginRecord>;
  readonly #processes = new Map<string, PluginProcess>();
  readonly #ready = new Set<string>();
  readonly #listeners = new Set<(name: string) => void>();
  readonly #taken = new Set<string>();
  #open: (() => Promise<PluginGround>) | undefined;
  #ground: Promise<PluginGround> | undefined;

  constructor(options: ManagedPluginsOptions) {
    this.#options = options;
    this.#records = options.store.collection("managed plugins");
  }

  /**
   * Brings back those that are enabled, without waiting for them; with `adopts` those that another daemon left running
   * are taken over. Nothing is opened while there is no plugin.
   */
  async begin(open: () => Promise<PluginGround>, { adopts }: { readonly adopts: boolean }): Promise<void> {
    this.#open = open;
    // an upgrade that a crash cut off: its root file system is swept
    for (const { id, name } of this.list()) if (isPassing(name)) await this.#records.delete(id);
    if (this.#records.size === 0) return;
    const { runtime } = await this.ground();
    // of a daemon that was killed: a shim whose output nobody reads answers nothing
    await runtime.wakeShims();
    await runtime.sweepShims();
    const idle = new Set((await runtime.list()).map(({ id }) => id));
    for (const record of this.#records.values()) {
      if (!record.isEnabled) continue;
      idle.delete(record.id);
      const process = await this.#processOf(record);
      if (!(adopts && (await process.adopt()))) process.insist();
    }
    for (const id of idle) {
      await runtime.abandonTask(id);
      await runtime.delete(id);
    }
    await runtime.retainStreams([]);
  }

  /** Ends all, or leaves them to the next daemon. */
  async close({ stays }: { readonly stays: boolean }): Promise<void> {
    const processes = [...this.#processes.values()];
    this.#processes.clear();
    if (stays) for (const process of processes) process.letGo();
    else await Promise.all(processes.map((process) => process.stop()));
    const ground = await this.#ground?.catch(() => undefined);
    ground?.containerd.close();
  }

  /** What runs plugins; what others left there without a record is swept the first time. */
  ground(): Promise<PluginGround> {
    this.#ground ??= this.#begun().catch((error) => {
      this.#ground = undefined;
      throw error;
    });
    return this.#ground;
  }

  /** By name. */
  list(): readonly PluginRecord[] {
    return [...this.#records.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** By id, by name (`:latest` may be left out), or by the start of an id. @throws not-found */
  get(ref: string): PluginRecord {
    const known = this.#records.get(ref) ?? this.named(ref);
    if (known) return known;
    const starting = /^[0-9a-f]+$/.test(ref) ? this.list().filter(({ id }) => id.startsWith(ref)) : [];
    const [only, ...more] = starting;
    if (more.length > 0) throw notFound(`multiple plugins found for ${JSON.stringify(ref)}`);
    if (!only) throw notFound(`plugin ${JSON.stringify(ref)} not found`);
    return only;
  }

  named(name: string): PluginRecord | undefined {
    const full = fullNameOf(name);
    return full === undefined ? undefined : this.list().find((record) => record.name === full);
  }

  /** Undefined: there is none of this name. @throws unavailable for one that is disabled: it may come back */
  async locate(name: string): Promise<LocatedPlugin | undefined> {
    const record = this.named(name);
    if (!record) return undefined;
    if (!record.isEnabled) throw unavailable(`plugin ${name} found but disabled`);
    const until = performance.now() + startingMs;
    while (!this.#ready.has(record.id) && performance.now() < until) await pause(20);
    return {
      address: { kind: "unix", path: socketOf(record, this.#placesOf(record.id)) },
      kinds: kindsOf(record.config),
      ...(record.timeoutS > 0 && { callMs: record.timeoutS * 1000 }),
    };
  }

  /** Of those that are enabled. */
  names(): readonly string[] {
    return this.list().flatMap(({ name, isEnabled }) => (isEnabled ? [name] : []));
  }

  /** Tells when one answers: after it was enabled, and each time that it was started again. */
  onReady(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Of an archive with config.json and rootfs. Disabled at first. @throws invalid; conflict when the name is taken */
  async create(name: PluginName, archive: AsyncIterable<Uint8Array>): Promise<PluginRecord> {
    const { layer, config } = splitArchive(archive);
    return await this.add(name, { bytes: layer, mediaType: layerType }, async () => ({
      config: await config,
      reference: name.name,
    }));
  }

  /** The same of a layer, wherever it comes from; `told` says what is known of it when it is in. */
  async add(
    { name }: PluginName,
    source: LayerSource,
    told: (diffId: string) => Promise<{ readonly config: PluginConfig; readonly reference: string }>,
  ): Promise<PluginRecord> {
    this.checkFree(name);
    this.#taken.add(name);
    try {
      const { containerd } = await this.ground();
      const id = newId();
      const made = await makeRootfs(containerd, id, source, this.#options.log);
      await using undo = made.undo;
      const { config, reference } = await told(made.diffId);
      const record: PluginRecord = {
        id,
        name,
        rootfs: id,
        reference,
        config: { ...config, rootfs: { type: "layers", diff_ids: [made.diffId] } },
        settings: defaultSettings(config),
        isEnabled: false,
        timeoutS: 0,
        layer: made.layer,
      };
      await this.#records.put(id, record);
      undo.forget();
      return record;
    } finally {
      this.#taken.delete(name);
    }
  }

  /** @throws conflict */
  checkFree(name: string): void {
    if (this.#taken.has(name) || this.named(name)) throw conflict(`plugin ${name} already exists`);
  }

  /** Resolves when it answers. @throws unavailable when it does not; it is disabled then, and nothing of it runs */
  async enable(record: PluginRecord, { timeoutS }: { readonly timeoutS: number }): Promise<void> {
    const enabled = { ...record, isEnabled: true, timeoutS };
    const process = await this.#processOf(enabled);
    try {
      await process.start();
      await this.#records.put(record.id, enabled);
    } catch (error) {
      await this.#end(record.id);
      throw error;
    }
    this.#tell(record.name);
  }

  async disable(record: PluginRecord): Promise<void> {
    await this.#records.put(record.id, { ...record, isEnabled: false });
    await this.#end(record.id);
  }

  /** @throws invalid; nothing is set then */
  async set(record: PluginRecord, wishes: readonly string[]): Promise<void> {
    const settings = withSettings(record.config, record.settings, wishes);
    await this.#records.put(record.id, { ...record, settings });
  }

  /** Ends it first when it runs. */
  async remove({ id, rootfs }: PluginRecord): Promise<void> {
    await this.#end(id);
    await this.#records.delete(id);
    const { containerd } = await this.ground();
    await removeRootfs(containerd, rootfs);
    await rm(join(this.#options.dataRoot, "plugins", id), { recursive: true, force: true });
  }

  /** The same plugin, its settings too, on another root file system. It is disabled. */
  async replace(record: PluginRecord, by: PluginRecord): Promise<void> {
    const { config, settings } = by;
    const known = new Set((config.Env ?? []).map(({ Name }) => Name));
    const kept = record.settings.Env.filter((entry) => known.has(entry.split("=", 1)[0] ?? ""));
    const names = new Set(kept.map((entry) => entry.split("=", 1)[0]));
    const others = settings.Env.filter((entry) => !names.has(entry.split("=", 1)[0] ?? ""));
    const { id, name } = record;
    const next = { ...by, id, name, settings: { ...settings, Env: [...others, ...kept] } };
    await this.#options.store.commit((transaction) => {
      transaction.delete(this.#records, by.id);
      transaction.put(this.#records, id, next);
    });
    const { containerd } = await this.ground();
    await removeRootfs(containerd, record.rootfs);
  }

  async #begun(): Promise<PluginGround> {
    if (!this.#open) throw new Error("managed plugins have not begun");
    const ground = await this.#open();
    const known = new Set(this.list().map(({ rootfs }) => rootfs));
    await sweepRootfs(ground.containerd, (rootfs) => known.has(rootfs));
    return ground;
  }

  async #processOf(record: PluginRecord): Promise<PluginProcess> {
    const log = this.#options.log.child({ plugin: record.name });
    const process = new PluginProcess(record, {
      ground: await this.ground(),
      places: this.#placesOf(record.id),
      log,
      onReady: () => {
        this.#ready.add(record.id);
        if (this.#records.get(record.id)?.isEnabled) this.#tell(record.name);
      },
    });
    this.#processes.set(record.id, process);
    return process;
  }

  async #end(id: string): Promise<void> {
    const process = this.#processes.get(id);
    this.#processes.delete(id);
    this.#ready.delete(id);
    await process?.stop();
    await rm(this.#placesOf(id).sockets, { recursive: true, force: true }).catch((error) => {
      this.#options.log.warn({ plugin: id, reason: errorMessage(error) }, "removing a plugin's folder");
    });
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }

  #placesOf(id: string): PluginPlaces {
    const { dataRoot, execRoot } = this.#options;
    return {
      sockets: join(execRoot, "plugins", id),
      propagated: join(dataRoot, "plugins", id, "propagated-mount"),
    };
  }
}

/** The name of what is pulled to take another's place: nobody can type it. */
export function passingName(name: string): PluginName {
  return { name: `${name} upgrade`, reference: "" };
}

const isPassing = (name: string) => name.includes(" ");
