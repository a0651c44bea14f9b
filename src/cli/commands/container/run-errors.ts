// How `run` ends when it cannot: 127 when the command is not there, 126 when it cannot be invoked, else 125.

import { errorMessage } from "../../../util/errors.ts";
import { StatusError } from "../../errors.ts";
import { programName } from "../../version.ts";

/** A message in Docker's frame: the program before it, how to get help behind it. */
export function withHelp(message: string, command: string): string {
  return `${programName}: ${message}\n\nRun '${programName} ${command} --help' for more information`;
}

/** The daemon's refusal to create or start, with the exit code its text calls for. */
export function runError(error: unknown): StatusError {
  const message = errorMessage(error);
  return new StatusError(exitCodeFor(message), withHelp(message, "run"));
}

function exitCodeFor(message: string): number {
  if (
    /executable file not found|no such file or directory|system cannot find the file specified/.test(message)
  ) {
    return 127;
  }
  return /permission denied|is a directory/.test(message) ? 126 : 125;
}
