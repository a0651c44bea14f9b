// A membership for tests: what it is asked is noted, and its view is the test's to change.

import type { Membership, NetworkChange } from "../../../src/engine/membership.ts";
import type { ClusterHealth, ClusterNodeView, ClusterToken, ClusterView } from "../../../src/engine/types.ts";
import { unavailable } from "../../../src/util/errors.ts";
import { address } from "../api/fake-engine.ts";

export function clusterNode(given: Partial<ClusterNodeView> = {}): ClusterNodeView {
  return {
    id: "a1".repeat(16),
    name: "host1",
    address: address("192.0.2.11"),
    dataPort: 4789,
    version: "0.1.0",
    role: "member",
    isUp: true,
    isSelf: false,
    ...given,
  };
}

export const otherNode = (given: Partial<ClusterNodeView> = {}) =>
  clusterNode({ id: "b2".repeat(16), name: "host2", address: address("192.0.2.12"), role: "node", ...given });

/** A cluster of this host, `host1`, and those given. */
export function clusterView(given: Partial<ClusterView> = {}): ClusterView {
  return {
    id: "c1".repeat(16),
    state: "connected",
    revision: 42,
    nodeId: "a1".repeat(16),
    store: { kind: "own", address: "https://192.0.2.11:2379" },
    nodes: [clusterNode({ isSelf: true })],
    peers: [],
    warnings: [],
    ...given,
  };
}

export class FakeMembership implements Membership {
  readonly asked: string[] = [];
  isStoreGone = false;
  readonly #listeners = new Set<() => void>();
  readonly #networkListeners = new Set<(change: NetworkChange) => void>();
  #view: ClusterView | undefined;
  #tokens: ClusterToken[] = [];

  constructor(view?: ClusterView) {
    this.#view = view;
  }

  view(): ClusterView | undefined {
    return this.#view;
  }

  become(view: ClusterView | undefined): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }

  follow(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  followNetworks(listener: (change: NetworkChange) => void): () => void {
    this.#networkListeners.add(listener);
    return () => void this.#networkListeners.delete(listener);
  }

  /** Another host did something to a network. */
  hear(change: NetworkChange): void {
    for (const listener of this.#networkListeners) listener(change);
  }

  async health(): Promise<ClusterHealth> {
    if (this.isStoreGone) throw unavailable("list the store's members: no answer");
    return { voters: 1, healthy: 1, tolerates: 0, warnings: [] };
  }

  async found(): Promise<void> {
    this.asked.push("found");
    this.become(clusterView());
  }

  async join({ wish }: { readonly wish: string }): Promise<"member" | "node"> {
    this.asked.push(`join as ${wish}`);
    this.become(clusterView({ nodes: [clusterNode({ isSelf: true }), otherNode()] }));
    return "node";
  }

  async leave({ force }: { readonly force: boolean }): Promise<void> {
    this.asked.push(force ? "leave by force" : "leave");
    this.become(undefined);
  }

  async removeNode(id: string): Promise<void> {
    this.asked.push(`remove ${id}`);
  }

  tokens(): readonly ClusterToken[] {
    return this.#tokens;
  }

  async createToken({ admits }: { readonly admits: "member" | "node" }) {
    const id = `t${this.#tokens.length + 1}`;
    this.asked.push(`token for a ${admits}`);
    const createdAt = new Date("2026-11-01T10:00:00Z");
    const expiresAt = new Date("2026-11-02T10:00:00Z");
    this.#tokens = [...this.#tokens, { id, admits, createdAt, expiresAt, used: 0 }];
    return { token: `TSDKR-1-x-${id}-y`, remote: "192.0.2.11" };
  }

  async removeToken(id: string): Promise<void> {
    this.asked.push(`remove token ${id}`);
    this.#tokens = this.#tokens.filter((token) => token.id !== id);
  }
}
