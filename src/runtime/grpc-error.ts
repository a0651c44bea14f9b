// gRPC status codes as the engine's kinds of error, with containerd's own message kept.

import { status } from "@grpc/grpc-js";
import { EngineError, type ErrorKind, errorMessage } from "../util/errors.ts";

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

/** A failed call as an EngineError: its kind from the status code, its message containerd's, its cause the gRPC error. */
export function fromGrpcError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const code = grpcCode(error);
  const kind = (code === undefined ? undefined : kinds.get(code)) ?? "internal";
  return new EngineError(kind, grpcDetails(error), { cause: error });
}

/** The gRPC status code behind an error, if a call made it. */
export function grpcCode(error: unknown): number | undefined {
  const source = error instanceof EngineError ? error.cause : error;
  if (typeof source !== "object" || source === null || !("code" in source)) return undefined;
  return typeof source.code === "number" ? source.code : undefined;
}

/** The status codes that callers tell apart. */
export const isAlreadyExists = (error: unknown) => grpcCode(error) === status.ALREADY_EXISTS;
export const isUnavailable = (error: unknown) => grpcCode(error) === status.UNAVAILABLE;
export const isNotFound = (error: unknown) => grpcCode(error) === status.NOT_FOUND;

/** Waits for a call, with undefined in place of "not found". */
export async function orAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function grpcDetails(error: unknown): string {
  if (typeof error === "object" && error !== null && "details" in error && typeof error.details === "string")
    if (error.details !== "") return error.details;
  return errorMessage(error);
}
