// What one instance sees of a cluster that outlives it: when the instance has ended it hears and writes nothing any more.

import type { ClusterAccess, SharedTable } from "../../driverapi/index.ts";

export class ClusterSession {
  readonly access: ClusterAccess;
  readonly #followed: (() => void)[] = [];
  #hasEnded = false;

  constructor(cluster: ClusterAccess) {
    const following = <T>(table: SharedTable<T>) =>
      replaced<SharedTable<T>>(table, {
        follow: (...args: Parameters<SharedTable<T>["follow"]>) => this.#follow(table.follow(...args)),
      });
    this.access = replaced<ClusterAccess>(cluster, {
      nodes: following(cluster.nodes),
      table: async (name: string) => following(await cluster.table(name)),
      followLife: (listener: () => void) => this.#follow(cluster.followLife(listener)),
      ownRecords: (...args: Parameters<ClusterAccess["ownRecords"]>) => {
        const own = cluster.ownRecords(...args);
        this.#follow(() => own.close());
        return own;
      },
      commit: (change: Parameters<ClusterAccess["commit"]>[0]) =>
        this.#hasEnded ? new Promise<never>(() => undefined) : cluster.commit(change),
    });
  }

  end(): void {
    this.#hasEnded = true;
    for (const unfollow of this.#followed.splice(0)) unfollow();
  }

  #follow(unfollow: () => void): () => void {
    this.#followed.push(unfollow);
    return unfollow;
  }
}

/** The same object with some members of its own. */
export function replaced<T extends object>(object: T, members: object): T {
  return new Proxy(object, {
    get: (target, key) => {
      if (Reflect.has(members, key)) return Reflect.get(members, key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
