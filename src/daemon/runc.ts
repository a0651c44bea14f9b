// Which runc there is.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { unavailable } from "../util/errors.ts";

const run = promisify(execFile);

/** The version that `runc --version` prints. @throws unavailable when there is no runc */
export async function readRuncVersion(): Promise<string> {
  const { stdout } = await run("runc", ["--version"]).catch((error: Error) => {
    throw unavailable(`run containers: runc does not start: ${error.message}`, error);
  });
  return /^runc version (\S+)/m.exec(stdout)?.[1] ?? "unknown";
}
