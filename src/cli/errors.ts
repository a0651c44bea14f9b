// How a command ends badly: the text for stderr and the exit code. What the daemon answered is an ApiError; what the
// client itself found wrong is a plain Error (exit 1) or a StatusError (its own code).

import { errorMessage } from "../util/errors.ts";

/** An end with a chosen exit code; an empty message prints nothing (a container's own exit code, for one). */
export class StatusError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message = "") {
    super(message);
    this.name = "StatusError";
    this.exitCode = exitCode;
  }
}

/** The daemon's refusal: HTTP status and its own message, worded as Docker's client words it. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(`Error response from daemon: ${message}`);
    this.name = "ApiError";
    this.status = status;
  }
}

/** The daemon could not be reached at all. */
export class ConnectError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "ConnectError";
  }
}

/** Whether the daemon said that there is no such thing (404). */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** One error out of several, a line each; undefined when there was none. */
export function joinErrors(errors: readonly unknown[]): Error | undefined {
  if (errors.length === 0) return undefined;
  return new Error(errors.map(errorMessage).join("\n"));
}
