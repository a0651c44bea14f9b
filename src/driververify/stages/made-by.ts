// What a factory makes, told apart from what no check can call.

import { inspect } from "node:util";
import { errorMessage, invalid } from "../../util/errors.ts";

/** @throws invalid when it is no object: there is nothing to verify */
export function madeBy<T extends object>(create: () => T): T {
  const made = called(create);
  if (made instanceof Promise)
    throw invalid(
      "its factory answers a promise, and a driver is needed: what takes time belongs into its calls",
    );
  if (typeof made !== "object" || made === null)
    throw invalid(`its factory answers ${inspect(made, { depth: 0 }).slice(0, 80)}, and a driver is needed`);
  return made as T;
}

function called(create: () => unknown): unknown {
  try {
    return create();
  } catch (error) {
    throw invalid(`its factory throws: ${errorMessage(error)}`, error);
  }
}
