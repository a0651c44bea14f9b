// The program: global flags, the tree of commands in commander, and the one that the words name. commander holds
// names, aliases and dispatch; a command's flags are read by flags/parse.ts, so its words reach it untouched.

import { Command } from "commander";
import { errorMessage } from "../util/errors.ts";
import { StatusError } from "./errors.ts";
import { HelpRequested, type ParsedArgs, parseArgs, shortHelpWarning } from "./flags/parse.ts";
import { bool, custom, type FlagSpec, list, text } from "./flags/spec.ts";
import { groupHelp, rootHelp } from "./help.ts";
import { runCommand } from "./run-command.ts";
import { Session } from "./session.ts";
import type { Streams } from "./streams.ts";
import { type GroupEntry, isGroup, type TreeEntry } from "./tree/entry.ts";
import { tree } from "./tree/tree.ts";
import { clientVersion, programName } from "./version.ts";

const description = "A self-sufficient runtime for containers";

function globalFlags(env: NodeJS.ProcessEnv): readonly FlagSpec[] {
  const home = env.DOCKER_CONFIG || `${env.HOME ?? ""}/.docker`;
  const certificates = env.DOCKER_CERT_PATH || home;
  const pem = (name: string, usage: string, file: string) =>
    text(name, usage, { shownInitial: JSON.stringify(`${certificates}/${file}`) });
  return [
    text("config", "Location of client config files", { shownInitial: JSON.stringify(home) }),
    text(
      "context",
      'Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set with "docker context use")',
      { short: "c" },
    ),
    bool("debug", "Enable debug mode", { short: "D" }),
    list("host", "Daemon socket to connect to", { short: "H" }),
    custom("string", "log-level", 'Set the logging level ("debug", "info", "warn", "error", "fatal")', {
      short: "l",
      initial: "info",
    }),
    bool("tls", "Use TLS; implied by --tlsverify"),
    pem("tlscacert", "Trust certs signed only by this CA", "ca.pem"),
    pem("tlscert", "Path to TLS certificate file", "cert.pem"),
    pem("tlskey", "Path to TLS key file", "key.pem"),
    bool("tlsverify", "Use TLS and verify the remote"),
    bool("version", "Print version information and quit", { short: "v" }),
  ];
}

/** Runs one command line. Throws what ends it badly: StatusError, ApiError, ConnectError, Error. */
export async function runProgram(
  argv: readonly string[],
  io: { streams: Streams; env: NodeJS.ProcessEnv },
): Promise<void> {
  const flags = globalFlags(io.env);
  const help = () => rootHelp(tree, { name: programName, short: description, flags, streams: io.streams });
  const parsed = parseGlobals(flags, argv);
  if (!parsed) return io.streams.out.write(help());
  if (parsed.flags.bool("version")) return io.streams.out.line(`${programName} version ${clientVersion}`);
  if (parsed.args.length === 0) {
    io.streams.err.write(help());
    return;
  }
  const session = new Session({ ...io, globals: parsed.flags });
  try {
    const words = parsed.args[0] === "help" ? helpWords(parsed.args.slice(1)) : parsed.args;
    if (words.length === 0) {
      io.streams.out.write(help());
      return;
    }
    if (words !== parsed.args && !isKnown(words)) {
      throw new Error(`unknown help topic: ${words.slice(0, -1).join(" ")}`);
    }
    await buildTree(session, words).parseAsync([...words], { from: "user" });
  } finally {
    session.close();
  }
}

function helpWords(words: readonly string[]): readonly string[] {
  return words.length === 0 ? [] : [...words, "--help"];
}

/** True when the first word names a command. */
function isKnown(words: readonly string[]): boolean {
  return tree.some((entry) => answersTo(entry, words[0] ?? ""));
}

function answersTo(entry: TreeEntry, name: string): boolean {
  return entry.name === name || (!isGroup(entry) && (entry.otherNames ?? []).includes(name));
}

function parseGlobals(flags: readonly FlagSpec[], argv: readonly string[]): ParsedArgs | undefined {
  try {
    return parseArgs(flags, argv, { interspersed: false });
  } catch (error) {
    if (error instanceof HelpRequested) return undefined;
    const why = errorMessage(error);
    const usage = `Usage:  ${programName} [OPTIONS] COMMAND [ARG...]`;
    throw new StatusError(125, `${why}\n\n${usage}\n\nRun '${programName} --help' for more information`);
  }
}

/** The whole first level, and below it only the group that is called. */
function buildTree(session: Session, words: readonly string[]): Command {
  const root = plainCommand(programName);
  for (const entry of tree) {
    if (answersTo(entry, words[0] ?? "")) root.addCommand(buildEntry(session, entry, programName));
  }
  root.action(() => {
    const name = `${programName} ${words[0]}`;
    throw new Error(
      `${programName}: unknown command: ${name}\n\nRun '${programName} --help' for more information`,
    );
  });
  return root;
}

function buildEntry(session: Session, entry: TreeEntry, parent: string): Command {
  const path = `${parent} ${entry.name}`;
  const command = plainCommand(entry.name);
  if (isGroup(entry)) {
    for (const child of entry.commands) command.addCommand(buildEntry(session, child, path));
    return command.action(() => groupItself(session, entry, path, command.args));
  }
  if (entry.otherNames) command.aliases(entry.otherNames);
  return command.action(async () => {
    const spec = await entry.load();
    await runCommand(spec, { session, path, short: entry.short, words: command.args });
  });
}

/** A group without one of its commands: help, or what it does not know. */
function groupItself(session: Session, group: GroupEntry, path: string, words: readonly string[]): void {
  const [first] = words;
  if (first === undefined || first === "--help" || first === "-h") {
    const warning = first === "-h" ? shortHelpWarning : "";
    (first === undefined ? session.err : session.out).write(warning + groupHelp(group, path));
    return;
  }
  const more = `\n\nUsage:  ${path}\n\nRun '${path} --help' for more information`;
  if (!first.startsWith("-")) throw new Error(`${programName}: unknown command: ${path} ${first}${more}`);
  const shown = first.startsWith("--")
    ? `unknown flag: ${first}`
    : `unknown shorthand flag: '${first[1]}' in ${first}`;
  throw new StatusError(125, shown + more);
}

/** A commander command that leaves all words, flags included, as they are. */
function plainCommand(name: string): Command {
  const command = new Command(name)
    .helpOption(false)
    .helpCommand(false)
    .allowExcessArguments()
    .exitOverride();
  command.parseOptions = (argv) => ({ operands: [...argv], unknown: [] });
  return command;
}
