// The tsdocker program's entry.

import { errorMessage } from "../util/errors.ts";
import { StatusError } from "./errors.ts";
import { runProgram } from "./program.ts";
import { processStreams } from "./streams.ts";

const streams = processStreams();

runProgram(process.argv.slice(2), { streams, env: process.env }).then(
  () => process.exit(),
  (error: unknown) => {
    const message = errorMessage(error);
    if (message !== "") streams.err.line(message);
    process.exit(error instanceof StatusError ? error.exitCode : 1);
  },
);
