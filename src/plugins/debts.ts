// What a plugin has yet to hear: ends of endpoints, networks and leases that it could not be told of when they came. They
// are on record, so that a plugin that was away for long, and a daemon that ended meanwhile, leave nothing behind.

import { errorKind, errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

/** One call that a plugin is owed. */
export interface Debt {
  readonly plugin: string;
  readonly method: string;
  readonly request: object;
}

/** Where debts are on record, by keys that sort in the order of their coming. */
export interface DebtBook {
  entries(): Iterable<readonly [string, Debt]>;
  put(key: string, debt: Debt): Promise<void>;
  delete(key: string): Promise<void>;
}

type Answer = Readonly<Record<string, unknown>>;

/** A book that ends with the process. */
export function bookInMemory(): DebtBook {
  const debts = new Map<string, Debt>();
  return {
    entries: () => debts.entries(),
    put: async (key, debt) => void debts.set(key, debt),
    delete: async (key) => void debts.delete(key),
  };
}

/** Debts to one plugin. */
export class Debts {
  readonly #plugin: string;
  readonly #book: DebtBook;
  readonly #log: Log;
  readonly #owed: { readonly key: string; readonly debt: Debt }[];
  #next: number;
  #settling: Promise<void> | undefined;

  constructor(plugin: string, book: DebtBook, log: Log) {
    this.#plugin = plugin;
    this.#book = book;
    this.#log = log;
    this.#owed = [...book.entries()]
      .filter(([, debt]) => debt.plugin === plugin)
      .map(([key, debt]) => ({ key, debt }))
      .toSorted((one, other) => (one.key < other.key ? -1 : 1));
    this.#next = Number(this.#owed.at(-1)?.key.split(" ")[0] ?? 0) + 1;
  }

  get isEmpty(): boolean {
    return this.#owed.length === 0;
  }

  /** Resolves when it is on record. */
  async add(method: string, request: object): Promise<void> {
    const key = `${String(this.#next++).padStart(12, "0")} ${this.#plugin}`;
    const debt = { plugin: this.#plugin, method, request };
    this.#owed.push({ key, debt });
    await this.#book.put(key, debt);
  }

  /**
   * Tells all of them, one after the other. What the plugin refuses it will never take: that is logged, and goes.
   * @throws unavailable when it does not answer; the rest is still owed
   */
  async settle(tell: (debt: Debt) => Promise<Answer>): Promise<void> {
    if (this.isEmpty) return;
    this.#settling ??= this.#tellAll(tell).finally(() => {
      this.#settling = undefined;
    });
    await this.#settling;
  }

  async #tellAll(tell: (debt: Debt) => Promise<Answer>): Promise<void> {
    for (let next = this.#owed[0]; next; next = this.#owed[0]) {
      const { key, debt } = next;
      try {
        const refusal = refusalIn(await tell(debt));
        if (refusal) this.#dropped(debt, refusal);
      } catch (error) {
        if (errorKind(error) === "unavailable") throw error;
        if (errorKind(error) !== "not-implemented") this.#dropped(debt, errorMessage(error));
      }
      this.#owed.shift();
      await this.#book.delete(key);
    }
  }

  #dropped({ plugin, method }: Debt, reason: string): void {
    this.#log.warn({ plugin, method, reason }, "a plugin that was away does not take what it had missed");
  }
}

/** `Err` of network drivers, `Error` of IPAM drivers. */
function refusalIn(answer: Answer): string | undefined {
  const refusal = Object.entries(answer).find(([key, value]) => /^err(or)?$/i.test(key) && value);
  return refusal && String(refusal[1]);
}
