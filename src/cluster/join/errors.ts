// Errors of joining, and their way over the wire: kind and message go, causes stay.

import { EngineError, type ErrorKind } from "../../util/errors.ts";

export * from "../../util/errors.ts";

export const unauthorized = (message: string) => new EngineError("unauthorized", message);

const statusOf: Readonly<Partial<Record<ErrorKind, number>>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  unavailable: 503,
};

/** The HTTP status that carries an error of this kind. */
export const statusOfKind = (kind: ErrorKind): number => statusOf[kind] ?? 500;

/** The kind that an HTTP status carries. */
export function kindOfStatus(status: number): ErrorKind {
  const found = Object.entries(statusOf).find(([, code]) => code === status)?.[0];
  return (found as ErrorKind | undefined) ?? "internal";
}
