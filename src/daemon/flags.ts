// The command line of tsdockerd: flags by commander, in dockerd's words.

import { Command, InvalidArgumentError, Option } from "commander";
import { invalid } from "../util/errors.ts";
import { type OptionMap, type OptionRow, type OptionValue, optionRows, refusedOptions } from "./options.ts";

/** Flags that were given, by flag name. */
export type GivenFlags = ReadonlyMap<string, OptionValue>;

export interface ParsedFlags {
  readonly given: GivenFlags;
  /** Set by `npm start`: print what to type next. */
  readonly hint: boolean;
}

/**
 * Parses the words after `tsdockerd`. Prints help and version itself.
 * @throws CommanderError with an exit code, after its message was printed; invalid for what cannot be followed
 */
export function parseFlags(words: readonly string[], version: string): ParsedFlags {
  const program = new Command("tsdockerd")
    .usage("[OPTIONS]")
    .description("A self-sufficient runtime for containers, with the network at its heart.")
    .version(`tsdockerd version ${version}`, "-v, --version", "Print version information and quit")
    .helpOption("--help", "Print usage")
    .allowExcessArguments(false)
    .configureHelp({ optionTerm: termOf, optionDescription: describe })
    .configureOutput({ outputError: (text, write) => write(inDockerdsWords(text)) })
    .exitOverride();
  for (const row of optionRows) program.addOption(toOption(row));
  for (const flag of refusedOptions.keys()) program.addOption(new Option(`--${flag} <value>`).hideHelp());
  program.addOption(new Option("--hint", "Print what to type next").hideHelp());
  program.parse(words, { from: "user" });
  const values = program.opts<Record<string, unknown>>();
  for (const [flag, why] of refusedOptions)
    if (values[new Option(`--${flag}`).attributeName()] !== undefined)
      throw invalid(`--${flag} is not supported: ${why}`);
  const given = new Map<string, OptionValue>();
  for (const row of optionRows) {
    const attribute = toOption(row).attributeName();
    if (program.getOptionValueSource(attribute) === "cli")
      given.set(row.flag, values[attribute] as OptionValue);
  }
  return { given, hint: values.hint === true };
}

/** `-b, --bridge string` with the short forms in a column of their own, as pflag prints it. */
function termOf(option: Option): string {
  const row = rowOf(option);
  const short = option.short ? `${option.short}, ` : "    ";
  return `${short}${option.long}${row && row.kind !== "boolean" ? ` ${row.kind}` : ""}`;
}

function describe(option: Option): string {
  const row = rowOf(option);
  if (!row) return option.description;
  const { fallback } = row;
  const shown =
    typeof fallback === "object" || fallback === "" || fallback === false || fallback === 0 ? "" : fallback;
  return shown === ""
    ? row.help
    : `${row.help} (default ${typeof shown === "string" ? `"${shown}"` : shown})`;
}

function rowOf(option: Option): OptionRow | undefined {
  return optionRows.find(({ flag }) => `--${flag}` === option.long);
}

function inDockerdsWords(text: string): string {
  const unknown = /^error: unknown option '([^']*)'/.exec(text);
  return unknown ? `unknown flag: ${unknown[1]}\nSee 'tsdockerd --help'.\n` : text.replace(/^error: /, "");
}

function toOption(row: OptionRow): Option {
  const names = `${row.short ? `-${row.short}, ` : ""}--${row.flag}`;
  if (row.kind === "boolean") {
    return new Option(`${names} [bool]`, row.help).preset("true").argParser(parseBoolean);
  }
  const option = new Option(`${names} <${row.kind}>`, row.help);
  if (row.kind === "integer") option.argParser(parseInteger);
  if (row.kind === "list") option.argParser(collect);
  if (row.kind === "map") option.argParser(collectPair);
  if (row.kind === "mapmap") option.argParser(collectOption);
  return option;
}

function parseBoolean(text: string): boolean {
  if (/^(true|1|t)$/i.test(text)) return true;
  if (/^(false|0|f)$/i.test(text)) return false;
  throw new InvalidArgumentError(`"${text}" is not true or false.`);
}

function parseInteger(text: string): number {
  if (!/^-?[0-9]+$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a number.`);
  return Number(text);
}

function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

function collectPair(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError(`"${text}" is not key=value.`);
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

/** `bridge=com.docker.network.driver.mtu=1400` */
function collectOption(
  text: string,
  before: Readonly<Record<string, OptionMap>> | undefined,
): Readonly<Record<string, OptionMap>> {
  const [, driver, pair] = /^([^=]+)=([^=]+=.*)$/.exec(text) ?? [];
  if (!driver || !pair) throw new InvalidArgumentError(`"${text}" is not driver=key=value.`);
  return { ...before, [driver]: collectPair(pair, before?.[driver]) };
}
