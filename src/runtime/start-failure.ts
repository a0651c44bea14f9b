// Why a process could not be started, in the exit codes that shells and Docker give.

import { EngineError, errorMessage } from "../util/errors.ts";
import { fromGrpcError } from "./grpc-error.ts";

const notFoundTexts = [
  "not a directory",
  "no such file or directory",
  "executable file not found",
  "failed to run runc create/exec call",
];
const notExecutableTexts = ["permission denied", "is a directory"];

/** 127 when the command is not there, 126 when it cannot be executed, else 128: by runc's text, as Docker does it. */
export function startFailureExitCode(message: string): 126 | 127 | 128 {
  const text = message.toLowerCase();
  if (notExecutableTexts.some((part) => text.includes(part))) return 126;
  return notFoundTexts.some((part) => text.includes(part)) ? 127 : 128;
}

/** A failed start as an error for clients: a command that is not there or not executable is the client's mistake. */
export function startFailure(error: unknown, doing?: string): EngineError {
  const failure = fromGrpcError(error);
  const message = doing ? `${doing}: ${errorMessage(failure)}` : errorMessage(failure);
  const isTheirs = failure.kind === "internal" && startFailureExitCode(message) !== 128;
  return new EngineError(isTheirs ? "invalid" : failure.kind, message, { cause: error });
}
