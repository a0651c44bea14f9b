// The networks of a controller, found by id, by name or by the start of an id. A network of the cluster may have the name
// of a local one that was there first: then the name is the local one's.

import { conflict, invalid, notFound } from "../util/errors.ts";
import type { Network } from "./network.ts";

/** An index; it owns nothing. Names are taken before a network exists, so that two requests cannot make the same. */
export class Networks {
  readonly #byId = new Map<string, Network>();
  readonly #byName = new Map<string, Network>();
  readonly #reserved = new Set<string>();

  /** Oldest first. */
  all(): readonly Network[] {
    return [...this.#byId.values()];
  }

  get(id: string): Network | undefined {
    return this.#byId.get(id);
  }

  /** Holds a name while its network is made. @throws conflict when it is taken */
  reserveName(name: string): void {
    if (this.#byName.has(name) || this.#reserved.has(name))
      throw conflict(`network with name ${name} already exists`);
    this.#reserved.add(name);
  }

  freeName(name: string): void {
    this.#reserved.delete(name);
  }

  add(network: Network): void {
    this.#reserved.delete(network.name);
    this.#byId.set(network.id, network);
    if (!this.#byName.has(network.name)) this.#byName.set(network.name, network);
  }

  remove(network: Network): void {
    if (this.#byId.get(network.id) !== network) return;
    this.#byId.delete(network.id);
    if (this.#byName.get(network.name) !== network) return;
    this.#byName.delete(network.name);
    const namesake = this.all().find(({ name }) => name === network.name);
    if (namesake) this.#byName.set(network.name, namesake);
  }

  /** By full id or name. */
  lookUp(ref: string): Network | undefined {
    return this.#byId.get(ref) ?? this.#byName.get(ref);
  }

  /** Full id, then name, then the start of an id. @throws not-found, or invalid when several ids start so */
  find(ref: string): Network {
    const exact = this.lookUp(ref);
    if (exact) return exact;
    const matches = ref === "" ? [] : this.all().filter(({ id }) => id.startsWith(ref));
    if (matches.length > 1)
      throw invalid(`network ${ref} is ambiguous (${matches.length} matches found based on ID prefix)`);
    if (!matches[0]) throw notFound(`network ${ref} not found`);
    return matches[0];
  }
}
