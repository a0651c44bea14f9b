// The tsdocker program's entry.

import { StatusError } from "./errors.ts";
import { runProgram } from "./program.ts";
import { processStreams } from "./streams.ts";

const streams = processStreams();
try {
  await runProgram(process.argv.slice(2), { streams, env: process.env });
  process.exit();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  if (message !== "") streams.err.line(message);
  if (process.env.TSDOCKER_TRACE && error instanceof Error) streams.err.line(error.stack ?? "");
  process.exit(error instanceof StatusError ? error.exitCode : 1);
}
