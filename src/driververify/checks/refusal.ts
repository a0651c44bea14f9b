// How a driver says no.

import type { CreateNetworkRequest } from "../../driverapi/index.ts";
import { type ErrorKind, errorKind, errorMessage } from "../../util/errors.ts";
import { must } from "../check.ts";
import type { Scene } from "../scene.ts";

/** The error of a call that must fail. */
export async function refusal(what: string, work: () => unknown): Promise<unknown> {
  let answer: unknown;
  try {
    answer = await work();
  } catch (error) {
    return error;
  }
  must(false, `${what} to be refused`, `it succeeded (${typeof answer})`);
}

/** The kind, also of an error whose class is of another copy of the contract. */
export function kindOf(error: unknown): ErrorKind {
  const kinds: readonly string[] = [
    "invalid",
    "unauthorized",
    "forbidden",
    "not-found",
    "conflict",
    "not-implemented",
    "unavailable",
  ];
  if (error instanceof Error && "kind" in error && kinds.includes(String(error.kind)))
    return String(error.kind) as ErrorKind;
  return errorKind(error);
}

export function mustBeOfKind(error: unknown, kinds: readonly ErrorKind[], what: string): void {
  const kind = kindOf(error);
  must(
    kinds.includes(kind),
    `${what} refused with an error of the kind ${kinds.join(" or ")}`,
    () => `${kind}: ${errorMessage(error)}`,
  );
}

/** An answer, or nothing when it was refused in an orderly way. */
export async function orRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    must(error instanceof Error, "an Error when a call is refused", () => String(error));
    return undefined;
  }
}

/** Asks for a network that makes little sense; whatever comes of it must go again. */
export async function survives(scene: Scene, request: CreateNetworkRequest): Promise<void> {
  await orRefused(() => scene.driver.createNetwork(request));
  await scene.driver.deleteNetwork({ networkId: request.networkId });
  await scene.mustBeClean();
}
