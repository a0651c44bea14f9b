// All containers of the daemon: by id, by name, by prefix.

import type { Collection, Transaction } from "../store/index.ts";
import { conflict, invalid, notFound } from "../util/errors.ts";
import type { Container, ContainerRecord } from "./container.ts";

export const noSuchContainer = (ref: string) => notFound(`No such container: ${ref}`);

/** The containers in memory, in step with the store. */
export class Registry {
  readonly #byId = new Map<string, Container>();
  readonly #idByName = new Map<string, string>();
  readonly #records: Collection<ContainerRecord>;

  constructor(records: Collection<ContainerRecord>) {
    this.#records = records;
  }

  all(): Container[] {
    return [...this.#byId.values()];
  }

  get(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** Full id, then name, then unique id prefix. @throws not-found, invalid when a prefix fits several */
  find(ref: string): Container {
    const name = ref.startsWith("/") ? ref.slice(1) : ref;
    const exact = this.#byId.get(ref) ?? this.#byId.get(this.#idByName.get(name) ?? "");
    if (exact) return exact;
    const fits = /^[0-9a-f]+$/.test(ref) ? [...this.#byId.keys()].filter((id) => id.startsWith(ref)) : [];
    if (fits.length > 1) throw invalid(`multiple IDs found with provided prefix: ${ref}`);
    const found = this.#byId.get(fits[0] ?? "");
    if (!found) throw noSuchContainer(ref);
    return found;
  }

  /** Takes a name for an id at once, before anything is awaited. @throws conflict when it is taken */
  claimName(name: string, id: string): void {
    const owner = this.#idByName.get(name);
    if (owner !== undefined && owner !== id) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${owner}". ` +
          "You have to remove (or rename) that container to be able to reuse that name.",
      );
    }
    this.#idByName.set(name, id);
  }

  /** It is a container's id, or will be one's that is being created. */
  isKnown(id: string): boolean {
    return this.#byId.has(id) || [...this.#idByName.values()].includes(id);
  }

  isNameFree(name: string): boolean {
    return !this.#idByName.has(name);
  }

  releaseName(name: string, id: string): void {
    if (this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  /** Adds a container whose name is claimed; the record is on disk when this resolves. */
  async add(container: Container): Promise<void> {
    this.#byId.set(container.id, container);
    await this.#records.put(container.id, container.record);
  }

  /** Adds a container that the store already has. */
  restore(container: Container): void {
    this.#byId.set(container.id, container);
    this.#idByName.set(container.name, container.id);
  }

  stored(): ContainerRecord[] {
    return [...this.#records.values()];
  }

  /** Replaces parts of a record, in memory at once; resolves when it is on disk. */
  async change(container: Container, change: Partial<ContainerRecord>): Promise<void> {
    container.record = { ...container.record, ...change };
    if (this.#byId.has(container.id)) await this.#records.put(container.id, container.record);
  }

  /** The same as a part of somebody else's transaction. */
  changeWithin(transaction: Transaction, container: Container, change: Partial<ContainerRecord>): void {
    container.record = { ...container.record, ...change };
    if (this.#byId.has(container.id)) transaction.put(this.#records, container.id, container.record);
  }

  async remove(container: Container): Promise<void> {
    this.#byId.delete(container.id);
    this.releaseName(container.name, container.id);
    await this.#records.delete(container.id);
  }
}
