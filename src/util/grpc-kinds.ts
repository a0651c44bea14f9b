// gRPC's status codes as kinds of error.

import { status } from "@grpc/grpc-js";
import type { ErrorKind } from "./errors.ts";

const kinds: ReadonlyMap<number, ErrorKind> = new Map([
  [status.CANCELLED, "cancelled"],
  [status.INVALID_ARGUMENT, "invalid"],
  [status.OUT_OF_RANGE, "invalid"],
  [status.DEADLINE_EXCEEDED, "unavailable"],
  [status.NOT_FOUND, "not-found"],
  [status.ALREADY_EXISTS, "conflict"],
  [status.FAILED_PRECONDITION, "conflict"],
  [status.ABORTED, "conflict"],
  [status.PERMISSION_DENIED, "forbidden"],
  [status.UNAUTHENTICATED, "unauthorized"],
  [status.UNIMPLEMENTED, "not-implemented"],
  [status.UNAVAILABLE, "unavailable"],
]);

/** Undefined for codes that say nothing of the cause (UNKNOWN, INTERNAL…), and for none. */
export function kindOfStatus(code: number | undefined): ErrorKind | undefined {
  return code === undefined ? undefined : kinds.get(code);
}
