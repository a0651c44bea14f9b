// Which endpoints stand behind which service: an index over the names of all hosts' endpoints, kept as they change.

import type { Change, Entry, SharedTable } from "../../cluster/index.ts";
import { type EndpointNames, keyOn, partsOf } from "./records.ts";

/** Follows the table of endpoints until it is closed. */
export class ServiceMembers {
  /** By the service's key, by the endpoint's. */
  readonly #byService = new Map<string, Map<string, Entry<EndpointNames>>>();
  readonly #stop: () => void;

  /** `changed` hears of services whose endpoints came, changed or went, and of those that went. */
  constructor(
    table: SharedTable<EndpointNames>,
    changed: (services: ReadonlySet<string>, gone: readonly Entry<EndpointNames>[]) => void,
  ) {
    for (const entry of table.entries()) this.#set(entry);
    this.#stop = table.follow((changes) => {
      const services = new Set(changes.flatMap((change) => this.#follow(change)));
      const gone = changes.flatMap((change) => (change.kind === "delete" ? [change.before] : []));
      if (services.size > 0) changed(services, gone);
    });
  }

  /** In the order of their ids. */
  of(service: string): Entry<EndpointNames>[] {
    const members = [...(this.#byService.get(service)?.values() ?? [])];
    return members.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  hasAny(service: string): boolean {
    return this.#byService.has(service);
  }

  services(): Iterable<string> {
    return this.#byService.keys();
  }

  close(): void {
    this.#stop();
  }

  #follow(change: Change<EndpointNames>): string[] {
    const before = change.before && this.#delete(change.before);
    const after = change.kind === "put" ? this.#set(change.entry) : undefined;
    return [before, after].filter((service) => service !== undefined);
  }

  #set(entry: Entry<EndpointNames>): string | undefined {
    const service = serviceKey(entry);
    if (service === undefined) return undefined;
    const members = this.#byService.get(service) ?? new Map();
    this.#byService.set(service, members.set(entry.key, entry));
    return service;
  }

  #delete(entry: Entry<EndpointNames>): string | undefined {
    const service = serviceKey(entry);
    const members = service === undefined ? undefined : this.#byService.get(service);
    members?.delete(entry.key);
    if (service !== undefined && members?.size === 0) this.#byService.delete(service);
    return service;
  }
}

export function serviceKey({ key, value }: Entry<EndpointNames>): string | undefined {
  return value.service === undefined ? undefined : keyOn(partsOf(key)[0], value.service);
}
