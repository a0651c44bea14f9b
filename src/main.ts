// tsdockerd's entry: flags, the daemon, signals.

import { CommanderError } from "commander";
import { loadConfig } from "./daemon/config.ts";
import { startDaemon } from "./daemon/daemon.ts";
import { parseFlags } from "./daemon/flags.ts";
import { printHint } from "./daemon/hint.ts";
import { createLog } from "./daemon/log.ts";
import { endOnSignals, outliveReaders } from "./daemon/signals.ts";
import { version } from "./daemon/version.ts";
import { errorMessage } from "./util/errors.ts";

async function main(): Promise<void> {
  outliveReaders();
  const { given, hint } = parseFlags(process.argv.slice(2), version);
  const validates = given.get("validate") === true;
  if (!validates && process.getuid?.() !== 0) {
    throw new Error("failed to start daemon: tsdockerd needs to be started with root privileges");
  }
  const config = loadConfig(given);
  if (validates) {
    process.stderr.write("configuration OK\n");
    return;
  }
  const log = createLog(config.logLevel);
  const ending = endOnSignals(log);
  const daemon = await startDaemon(config, log);
  if (hint) printHint(config);
  await ending.asked;
  await daemon.stop();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 125);
    process.stderr.write(`${errorMessage(error)}\n`);
    if (process.env.TSDOCKER_DEBUG) console.error(error);
    process.exit(1);
  },
);
