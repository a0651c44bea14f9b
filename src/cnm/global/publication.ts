// How a network of the cluster comes to be on record, for all hosts or for none.

import type { ClusterAccess } from "../../cluster/index.ts";
import { conflict, errorKind, errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Undo } from "../../util/undo.ts";
import type { Network } from "../network.ts";
import { pack } from "../stored.ts";
import type { GlobalTables } from "./records.ts";

export interface PublicationSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly log: Log;
}

/** This host's publications. */
export class NetworkPublication {
  readonly #around: PublicationSurroundings;
  readonly #own = new Map<string, Network>();

  constructor(around: PublicationSurroundings) {
    this.#around = around;
  }

  /** One that is being made here: whoever hears of it finds this one. */
  underWay(networkId: string): Network | undefined {
    return this.#own.get(networkId);
  }

  /**
   * Puts a network on record, with its name: all hosts see it, or none. When nobody can tell whether they do, `undo` is
   * forgotten: it would take away what they may see.
   *
   * @throws conflict when the name is taken; unavailable
   */
  async publish(network: Network, undo: Undo): Promise<void> {
    const { id, name, record } = network;
    const { cluster, tables } = this.#around;
    this.#own.set(id, network);
    try {
      await cluster.commit((transaction) => {
        transaction.create(tables.names, name, { networkId: id });
        transaction.create(tables.networks, id, { network: pack(record) });
      });
    } catch (error) {
      if (errorKind(error) === "conflict") throw conflict(`network with name ${name} already exists`, error);
      if (errorKind(error) !== "unavailable" || !(await this.#isPublished(id, undo))) throw error;
    } finally {
      this.#own.delete(id);
    }
  }

  /** Whether a network is on record although no answer came. */
  async #isPublished(networkId: string, undo: Undo): Promise<boolean> {
    const { cluster, tables, log } = this.#around;
    try {
      // one more write: when it is here, so is all that happened before
      await tables.users.put(`life/${cluster.self.id}`, { since: new Date().toISOString() });
      return tables.networks.get(networkId) !== undefined;
    } catch (error) {
      log.warn(
        { network: networkId, reason: errorMessage(error) },
        "whether the network was made is unknown until the store is back",
      );
      undo.forget();
      return false;
    }
  }
}
