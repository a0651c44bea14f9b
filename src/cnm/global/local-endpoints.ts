// Endpoints of this host on networks of clusters, as they are announced: what they are called, and whether they are
// ready. It is known whether the host is in its cluster just now or not.

import type { Address } from "../../netip/index.ts";

export interface LocalEndpoint {
  readonly networkId: string;
  readonly endpointId: string;
  readonly containerId: string;
  readonly containerName: string;
  readonly names: readonly string[];
  readonly addresses: readonly Address[];
  readonly service?: string;
}

/** Kept by the controller. */
export class LocalEndpoints {
  readonly #endpoints = new Map<string, LocalEndpoint>();
  /** Containers whose health check does not say that they are well. */
  readonly #unready = new Set<string>();
  #listener: ((endpoint: LocalEndpoint, isThere: boolean) => void) | undefined;

  all(): Iterable<LocalEndpoint> {
    return this.#endpoints.values();
  }

  set(endpoint: LocalEndpoint): void {
    this.#endpoints.set(endpoint.endpointId, endpoint);
    this.#listener?.(endpoint, true);
  }

  delete(endpointId: string): void {
    const endpoint = this.#endpoints.get(endpointId);
    this.#endpoints.delete(endpointId);
    if (endpoint) this.#listener?.(endpoint, false);
  }

  isReady(containerId: string): boolean {
    return !this.#unready.has(containerId);
  }

  /** Answers whether that is news. What there is of the container is to be announced again. */
  setReady(containerId: string, isReady: boolean): boolean {
    if (this.isReady(containerId) === isReady) return false;
    if (isReady) this.#unready.delete(containerId);
    else this.#unready.add(containerId);
    return true;
  }

  /** Whoever is told of what comes, changes and goes: one at a time. */
  follow(listener: (endpoint: LocalEndpoint, isThere: boolean) => void): () => void {
    this.#listener = listener;
    return () => {
      if (this.#listener === listener) this.#listener = undefined;
    };
  }
}
