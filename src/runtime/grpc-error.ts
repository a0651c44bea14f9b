// gRPC status codes as the engine's kinds of error, with containerd's own message kept.

import { status } from "@grpc/grpc-js";
import { EngineError, errorMessage } from "../util/errors.ts";
import { kindOfStatus } from "../util/grpc-kinds.ts";

/** A failed call as an EngineError: its kind from the status code, its message containerd's, its cause the gRPC error. */
export function fromGrpcError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  return new EngineError(kindOfStatus(grpcCode(error)) ?? "internal", grpcDetails(error), { cause: error });
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
