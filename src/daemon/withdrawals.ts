// Taking back what an owner that is gone had: rules, forwards, names. What fails there is made again before the next
// change of any of them, so that it is in nobody's way until the next start.

import type { Host } from "../driverapi/index.ts";
import type { Resolvers } from "../proxy/index.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

/** Puts itself before the parts that keep an owner's wishes, and remembers the withdrawals that failed. */
export class Withdrawals {
  readonly #failed = new Map<string, () => Promise<unknown>>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  firewall(firewall: Host["firewall"]): Host["firewall"] {
    return {
      backend: firewall.backend,
      describe: (owner) => firewall.describe(owner),
      set: (owner, rules) =>
        this.#change(`rules of ${owner}`, rules.length === 0, () => firewall.set(owner, rules)),
    };
  }

  forwarder(forwarder: Host["forwarder"]): Host["forwarder"] {
    return {
      setForwards: (owner, forwards, held) =>
        this.#change(`forwards of ${owner}`, forwards.length + held.length === 0, () =>
          forwarder.setForwards(owner, forwards, held),
        ),
    };
  }

  /** The forwarder may still hold a port that nobody has any more. */
  ports(ports: Host["ports"]): Host["ports"] {
    return {
      reserve: async (requests) => {
        await this.#repeat();
        return await ports.reserve(requests);
      },
    };
  }

  resolvers(resolvers: Resolvers): Resolvers {
    return {
      setResolver: (sandbox, config) =>
        this.#change(`resolver of ${sandbox}`, config === undefined, () =>
          resolvers.setResolver(sandbox, config),
        ),
      setRecord: (endpoint, record) =>
        this.#change(`names of ${endpoint}`, record === undefined, () =>
          resolvers.setRecord(endpoint, record),
        ),
    };
  }

  async #change<T>(subject: string, isWithdrawal: boolean, work: () => Promise<T>): Promise<T> {
    // its new wish replaces whatever failed before
    this.#failed.delete(subject);
    if (this.#failed.size > 0) await this.#repeat();
    try {
      return await work();
    } catch (error) {
      if (isWithdrawal) this.#failed.set(subject, work);
      throw error;
    }
  }

  async #repeat(): Promise<void> {
    await Promise.all([...this.#failed].map(([subject, work]) => this.#again(subject, work)));
  }

  async #again(subject: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      if (this.#failed.get(subject) === work) this.#failed.delete(subject);
    } catch (error) {
      this.#log.warn({ subject, reason: errorMessage(error) }, "cannot withdraw, still");
    }
  }
}
