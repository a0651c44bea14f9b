// The one error class meant for clients of the engine, and how any error is read. Kernel and library errors are wrapped in it where a caller
// can say what was tried; kinds become HTTP status codes in src/api and nowhere else.

export type ErrorKind =
  | "invalid"
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "conflict"
  | "not-modified"
  | "not-implemented"
  | "unavailable"
  | "cancelled"
  | "internal";

/** An error with a kind (what class of trouble) and a message fit to show to the person who asked. */
export class EngineError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "EngineError";
    this.kind = kind;
  }
}

/** One for each kind; `message` is for the client, `cause` for the log. */
export const invalid = (message: string, cause?: unknown) => new EngineError("invalid", message, { cause });
export const forbidden = (message: string, cause?: unknown) =>
  new EngineError("forbidden", message, { cause });
export const notFound = (message: string, cause?: unknown) =>
  new EngineError("not-found", message, { cause });
export const conflict = (message: string, cause?: unknown) => new EngineError("conflict", message, { cause });
export const notModified = (message: string) => new EngineError("not-modified", message);
export const notImplemented = (message: string) => new EngineError("not-implemented", message);
export const unavailable = (message: string, cause?: unknown) =>
  new EngineError("unavailable", message, { cause });
export const internal = (message: string, cause?: unknown) => new EngineError("internal", message, { cause });

/** The kind of any thrown value; what is not an EngineError is internal. */
export function errorKind(error: unknown): ErrorKind {
  return error instanceof EngineError ? error.kind : "internal";
}

/** The message of any thrown value. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error of the system carries one of these codes: `hasCode(error, "ENOENT", "ENODEV")`. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

/** The same error with words in front that only the caller knows; keeps the kind. */
export function wrapError(error: unknown, doing: string): EngineError {
  return new EngineError(errorKind(error), `${doing}: ${errorMessage(error)}`, { cause: error });
}
