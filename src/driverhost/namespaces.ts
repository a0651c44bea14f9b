// Network namespaces of drivers' own, pinned beside those of sandboxes: `<driver>-<name>`, where theirs are ids.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { DriverNamespaces, DriverNetns } from "../driverapi/index.ts";
import type { GuardsMaker, OwnedFirewall } from "../firewall/index.ts";
import {
  createNetns,
  deleteNetns,
  type Netlink,
  type NetworkEvent,
  openNetlink,
  setLink,
  type Watch,
  type WatchedKind,
  watchLinks,
  writeSysctls,
} from "../kernel/index.ts";
import { conflict, hasCode } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";

export interface DriverNamespacesOptions {
  /** Where they are pinned. */
  readonly folder: string;
  readonly driver: string;
  readonly guards: GuardsMaker;
  readonly log: Log;
}

/** Namespaces that the daemon owns. */
export interface OwnedNamespaces extends DriverNamespaces {
  /** Lets go of those that are open; they stay. */
  close(): Promise<void>;
}

/** The namespaces of one driver. */
export function createDriverNamespaces(options: DriverNamespacesOptions): OwnedNamespaces {
  return new Namespaces(options);
}

class Namespaces implements OwnedNamespaces {
  readonly #options: DriverNamespacesOptions;
  readonly #prefix: string;
  readonly #open = new Map<string, Promise<OpenNetns>>();

  constructor(options: DriverNamespacesOptions) {
    this.#options = options;
    this.#prefix = `${options.driver}-`;
  }

  open(name: string): Promise<DriverNetns> {
    if (!/^[0-9A-Za-z-]+$/.test(name)) throw new RangeError(`open netns ${name}: not a name for one`);
    if (this.#open.has(name)) throw conflict(`open netns ${name}: it is open already`);
    const opening = this.#make(name);
    this.#open.set(name, opening);
    opening.catch(() => this.#open.delete(name));
    return opening;
  }

  async list(): Promise<readonly string[]> {
    const pins = await readdir(this.#options.folder).catch(() => []);
    return pins.filter((pin) => pin.startsWith(this.#prefix)).map((pin) => pin.slice(this.#prefix.length));
  }

  async remove(name: string): Promise<void> {
    const open = await this.#open.get(name)?.catch(() => undefined);
    await open?.close();
    await deleteNetns(this.#path(name));
  }

  async close(): Promise<void> {
    const open = await Promise.allSettled(this.#open.values());
    await Promise.all(open.map((it) => it.status === "fulfilled" && it.value.close()));
  }

  #path(name: string): string {
    return join(this.#options.folder, this.#prefix + name);
  }

  async #make(name: string): Promise<OpenNetns> {
    const { guards, log } = this.#options;
    const path = this.#path(name);
    await using undo = new Undo(log);
    const isOld = !(await create(path));
    if (!isOld) undo.defer("delete netns", () => deleteNetns(path));
    const netlink = await openNetlink(path);
    undo.defer("close netlink", () => netlink.close());
    if (!isOld) await netlink.send(setLink("lo", { up: true }));
    const parts = { name, path, isOld, netlink, guards: await guards(path, log.child({ netns: name })) };
    undo.forget();
    return new OpenNetns(parts, () => this.#open.delete(name));
  }
}

class OpenNetns implements DriverNetns {
  readonly name: string;
  readonly path: string;
  readonly isOld: boolean;
  readonly netlink: Netlink;
  readonly sysctl: DriverNetns["sysctl"];
  readonly guards: OwnedFirewall;
  readonly #closed: () => void;
  readonly #watches: Watch[] = [];
  #start: Promise<void> | undefined;
  #close: Promise<void> | undefined;

  constructor(
    parts: Pick<DriverNetns, "name" | "path" | "isOld" | "netlink"> & { readonly guards: OwnedFirewall },
    closed: () => void,
  ) {
    this.name = parts.name;
    this.path = parts.path;
    this.isOld = parts.isOld;
    this.netlink = parts.netlink;
    this.guards = parts.guards;
    this.#closed = closed;
    this.sysctl = {
      writeAll: (values) =>
        writeSysctls(
          Object.entries(values).map(([key, value]) => ({ key, value })),
          parts.path,
        ),
    };
  }

  async watch(kinds: readonly WatchedKind[], listener: (event: NetworkEvent) => void): Promise<void> {
    const watch = await watchLinks(this.path, listener, kinds);
    if (this.#close) watch.close();
    else this.#watches.push(watch);
  }

  startGuards(): Promise<void> {
    this.#start ??= this.guards.start();
    return this.#start;
  }

  close(): Promise<void> {
    this.#close ??= this.#end();
    return this.#close;
  }

  async #end(): Promise<void> {
    this.#closed();
    for (const watch of this.#watches) watch.close();
    await this.guards.close();
    await this.netlink.close();
  }
}

/** False when there is one. */
async function create(path: string): Promise<boolean> {
  try {
    await createNetns(path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}
