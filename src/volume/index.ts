// Local volumes: folders under the data root that outlive containers. One record each.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Collection, Store } from "../store/index.ts";
import { conflict, invalid, notFound } from "../util/errors.ts";

export interface Volume {
  readonly name: string;
  readonly driver: string;
  readonly createdAt: Date;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Made without a name: goes with its container. */
  readonly anonymous: boolean;
  readonly mountpoint: string;
}

export interface VolumeRequest {
  readonly name: string;
  /** Its name was given by nobody. */
  readonly isAnonymous: boolean;
  readonly driver?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

/** The volumes of one data root. */
export class Volumes {
  readonly #records: Collection<Volume>;
  readonly #root: string;

  constructor(store: Store, dataRoot: string) {
    this.#records = store.collection("volumes");
    this.#root = join(dataRoot, "volumes");
  }

  list(): Volume[] {
    return [...this.#records.values()];
  }

  get(name: string): Volume {
    const volume = this.#records.get(name);
    if (!volume) throw notFound(`get ${name}: no such volume`);
    return volume;
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  /** Makes a volume, or gives the one that has this name and driver already. */
  async create(request: VolumeRequest): Promise<Volume> {
    const driver = request.driver || "local";
    if (driver !== "local")
      throw notFound(`error looking up volume plugin ${driver}: plugin "${driver}" not found`);
    const options = Object.keys(request.options);
    const { name, isAnonymous } = request;
    if (options.length > 0)
      throw invalid(`create ${isAnonymous ? "" : name}: invalid option: "${options[0]}"`);
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
      throw invalid(
        `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" ` +
          "are allowed. If you intended to pass a host directory, use absolute path",
      );
    }
    const existing = this.#records.get(name);
    if (existing) return existing;
    const mountpoint = join(this.#root, name, "_data");
    await mkdir(mountpoint, { recursive: true, mode: 0o755 });
    const { labels } = request;
    const volume: Volume = {
      name,
      driver,
      createdAt: new Date(),
      labels,
      options: {},
      anonymous: isAnonymous,
      mountpoint,
    };
    await this.#records.put(name, volume);
    return volume;
  }

  /** Removes a volume and what is in it; `users` are the containers that still name it. */
  async remove(name: string, users: readonly string[]): Promise<void> {
    this.get(name);
    if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(", ")}]`);
    await this.#records.delete(name);
    await rm(join(this.#root, name), { recursive: true, force: true });
  }
}
