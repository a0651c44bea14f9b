// How a command is run from its words: flags, number of arguments, the daemon's version, then its work.

import { errorMessage } from "../util/errors.ts";
import { compareVersions } from "./client/versions.ts";
import type { CommandSpec } from "./command.ts";
import { StatusError } from "./errors.ts";
import { HelpRequested, type ParsedArgs, parseArgs } from "./flags/parse.ts";
import type { FlagValues } from "./flags/values.ts";
import { commandHelp } from "./help.ts";
import type { Session } from "./session.ts";
import { programName } from "./version.ts";

/** Reads the words and runs the command. Throws StatusError 125 for flags it does not know, Error for a wrong count. */
export async function runCommand(
  spec: CommandSpec,
  call: { session: Session; path: string; short: string; words: readonly string[] },
): Promise<void> {
  const { session, path, short, words } = call;
  let parsed: ParsedArgs;
  try {
    parsed = parseArgs(spec.flags, words, { interspersed: spec.interspersed ?? true });
  } catch (error) {
    if (error instanceof HelpRequested) {
      session.out.write(error.message + commandHelp(spec, path, short, session.streams));
      return;
    }
    const why = errorMessage(error);
    throw new StatusError(
      125,
      `${why}\n\nUsage:  ${path} ${spec.usage}\n\nRun '${path} --help' for more information`,
    );
  }
  for (const warning of parsed.warnings) session.out.line(warning);
  checkCount(spec, path, parsed.args);
  await checkVersions(spec, parsed.flags, session);
  await spec.run({ session, flags: parsed.flags, args: parsed.args, path });
}

function checkCount(spec: CommandSpec, path: string, args: readonly string[]): void {
  const { min, max } = spec.args;
  if ((args.length >= min && args.length <= max) || spec.accepts?.(args)) return;
  const see = min > 0 && max === Number.POSITIVE_INFINITY ? "See" : "Run";
  const head = `${programName}: '${path}' ${countText(min, max)}`;
  throw new Error(
    `${head}\n\nUsage:  ${`${path} ${spec.usage}`.trim()}\n\n${see} '${path} --help' for more information`,
  );
}

function countText(min: number, max: number): string {
  const plural = (count: number) => (count === 1 ? "argument" : "arguments");
  if (max === 0) return "accepts no arguments";
  if (min === max) return `requires ${min} ${plural(min)}`;
  if (max === Number.POSITIVE_INFINITY) return `requires at least ${min} ${plural(min)}`;
  if (min === 0) return `requires at most ${max} ${plural(max)}`;
  return `requires at least ${min} and at most ${max} ${plural(max)}`;
}

/** A flag newer than the daemon's API is refused by name. */
async function checkVersions(spec: CommandSpec, flags: FlagValues, session: Session): Promise<void> {
  const dated = spec.flags.filter((flag) => flag.since && flags.changed(flag.name));
  if (dated.length === 0) return;
  const version = await session.client.version();
  const tooNew = dated.filter((flag) => compareVersions(version, flag.since ?? "") < 0);
  if (tooNew.length === 0) return;
  const lines = tooNew.map(
    (flag) =>
      `"--${flag.name}" requires API version ${flag.since}, but the Docker daemon API version is ${version}`,
  );
  throw new Error(lines.join("\n"));
}
