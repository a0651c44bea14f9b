// Failpoints: a test may cut in just before any effect that the daemon has on the outside. Off unless the environment
// names a control file; then every guarded call looks at that file first, which is slow and meant to be.

import { appendFileSync, readFileSync } from "node:fs";
import { EngineError } from "../util/errors.ts";

/** Puts a failpoint before methods of a part. */
export interface Failpoints {
  readonly isOn: boolean;
  /** `part`, with a failpoint called `name.method` before each of these methods, which answer with promises. */
  guard<T extends object>(name: string, part: T, methods: readonly (keyof T & string)[]): T;
}

/** What a control file asks for, as JSON. */
export interface FailpointOrder {
  /** Another one starts the count anew. */
  readonly run: string;
  /** The failpoint that is hit, counted from 1; 0: none, they are only noted. */
  readonly hit: number;
  /** `error`: the call fails and has no effect. `kill`: the daemon ends there as by kill -9. */
  readonly by: "error" | "kill";
}

/**
 * Failpoints under a control file's orders. While the file is there each failpoint that is passed is noted, as a line
 * with its name, in a file beside it, `<path>.passed`. Without a path nothing is guarded.
 */
export function openFailpoints(path: string | undefined): Failpoints {
  if (!path) return { isOn: false, guard: (_, part) => part };
  const counter = new Counter(path);
  return {
    isOn: true,
    guard: (name, part, methods) =>
      guarded(part, new Set(methods), (method) => counter.pass(`${name}.${method}`)),
  };
}

/** A private field is reached only through the object itself, so methods run on that and not on the stand-in. */
function guarded<T extends object>(part: T, methods: ReadonlySet<string>, pass: (method: string) => void): T {
  return new Proxy(part, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        try {
          if (typeof key === "string" && methods.has(key)) pass(key);
        } catch (error) {
          return Promise.reject(error);
        }
        return Reflect.apply(value, target, args);
      };
    },
  });
}

class Counter {
  readonly #path: string;
  #run = "";
  #count = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws internal where the order says so */
  pass(name: string): void {
    const order = readOrder(this.#path);
    if (!order) return;
    if (order.run !== this.#run) this.#count = 0;
    this.#run = order.run;
    this.#count += 1;
    appendFileSync(`${this.#path}.passed`, `${name}\n`);
    if (this.#count !== order.hit) return;
    if (order.by === "kill") process.kill(process.pid, "SIGKILL");
    throw new EngineError("internal", `failpoint ${order.hit}: ${name}`);
  }
}

function readOrder(path: string): FailpointOrder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined; // no order is what there is most of the time
  }
}
