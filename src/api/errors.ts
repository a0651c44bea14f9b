// Error kinds become HTTP status codes here and nowhere else.

import { type ErrorKind, errorKind, errorMessage } from "../util/errors.ts";
import type { ErrorResponse } from "./schemas/system.ts";

const statuses = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  "not-modified": 304,
  "not-implemented": 501,
  unavailable: 503,
  // nginx's code for "client closed request": only ever seen in a log
  cancelled: 499,
  internal: 500,
} as const satisfies Record<ErrorKind, number>;

/** The status that answers a thrown value. */
export function statusOf(error: unknown): number {
  return statuses[errorKind(error)];
}

/** The body that answers a thrown value. */
export function errorBody(error: unknown): ErrorResponse {
  return { message: errorMessage(error) };
}
