// Ways to break a driver in one place.

import type { NetworkDriver } from "../../../src/driverapi/index.ts";
import { conflict } from "../../../src/util/errors.ts";
import type { MemoryDriver } from "./memory-driver.ts";
import type { Machine } from "./memory-machine.ts";

/** Members that a mutant has in place of the driver's; made anew for each instance. */
export type Mutation = (driver: MemoryDriver, machine: Machine) => object;

/** The driver with other members. */
export function mutant<T extends object>(driver: T, members: object): T {
  return new Proxy(driver, {
    get(target, key) {
      if (Reflect.has(members, key)) return Reflect.get(members, key);
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

type MethodName = {
  [K in keyof MemoryDriver]: MemoryDriver[K] extends (...args: never[]) => Promise<unknown> ? K : never;
}[keyof MemoryDriver] &
  keyof NetworkDriver;

type RequestOf<K extends MethodName> = Parameters<MemoryDriver[K]>[0];
type AnswerOf<K extends MethodName> = Awaited<ReturnType<MemoryDriver[K]>>;

function call<K extends MethodName>(driver: MemoryDriver, method: K, request: unknown): Promise<AnswerOf<K>> {
  return Reflect.apply(driver[method], driver, [request]);
}

/** Another answer, or something done besides; undefined keeps the answer. */
export function after<K extends MethodName>(
  method: K,
  change: (answer: AnswerOf<K>, request: RequestOf<K>, driver: MemoryDriver, machine: Machine) => unknown,
): Mutation {
  return (driver, machine) => ({
    [method]: async (request: RequestOf<K>) => {
      const answer = await call(driver, method, request);
      return change(answer, request, driver, machine) ?? answer;
    },
  });
}

/** Something done before, or instead when it throws. */
export function before<K extends MethodName>(
  method: K,
  work: (request: RequestOf<K>, driver: MemoryDriver, machine: Machine) => unknown,
): Mutation {
  return (driver, machine) => ({
    [method]: async (request: RequestOf<K>) => {
      await work(request, driver, machine);
      return await call(driver, method, request);
    },
  });
}

/** Another body. */
export function instead<K extends MethodName>(
  method: K,
  work: (request: RequestOf<K>, driver: MemoryDriver, machine: Machine) => unknown,
): Mutation {
  return (driver, machine) => ({ [method]: async (request: RequestOf<K>) => work(request, driver, machine) });
}

/** Throws for some requests. */
export function refusing<K extends MethodName>(
  method: K,
  isRefused: (request: RequestOf<K>, driver: MemoryDriver) => boolean,
): Mutation {
  return before(method, (request, driver) => {
    if (isRefused(request, driver)) throw new Error("refused by the mutant");
  });
}

/** Works once for each id. */
export function once<K extends MethodName>(method: K): Mutation {
  return (driver) => {
    const seen = new Set<string>();
    const id = (request: RequestOf<K>) => {
      const { networkId, endpointId } = Object(request);
      return `${networkId} ${endpointId}`;
    };
    return {
      [method]: async (request: RequestOf<K>) => {
        if (seen.has(id(request))) throw new Error("once is enough");
        seen.add(id(request));
        return await call(driver, method, request);
      },
    };
  };
}

/** Does something when two calls meet; by default the later one fails. */
export function meeting<K extends MethodName>(
  method: K,
  met: (answer: AnswerOf<K>, request: RequestOf<K>, machine: Machine) => unknown = () => {
    throw conflict("one call at a time");
  },
): Mutation {
  return (driver, machine) => {
    let running = 0;
    return {
      [method]: async (request: RequestOf<K>) => {
        const isMet = running++ > 0;
        try {
          const answer = await call(driver, method, request);
          return isMet ? (met(answer, request, machine) ?? answer) : answer;
        } finally {
          running--;
        }
      },
    };
  };
}

/** Does something more when a step fails. */
export function failing<K extends MethodName>(
  method: K,
  failed: (request: RequestOf<K>, driver: MemoryDriver, machine: Machine) => unknown,
): Mutation {
  return (driver, machine) => ({
    [method]: async (request: RequestOf<K>) => {
      try {
        return await call(driver, method, request);
      } catch (error) {
        await failed(request, driver, machine);
        throw error;
      }
    },
  });
}

/** Leaves a record behind that nobody deletes. */
export function leaving<K extends MethodName>(
  method: K,
  isLeft: (request: RequestOf<K>, driver: MemoryDriver) => boolean = () => true,
): Mutation {
  return (driver, machine) => ({
    [method]: async (request: RequestOf<K>) => {
      if (isLeft(request, driver)) machine.listed.records.push(`left by ${String(method)}`);
      return await call(driver, method, request);
    },
  });
}

/** Writes into its request. */
export const writing = (method: MethodName): Mutation =>
  before(method, (request) => Reflect.set(Object(request), "mutated", true));
