// argv read by the grammar of Go's pflag, which Docker's users know: --name value, --name=value, -n value, -nvalue,
// -n=value, clusters (-itd), --bool=false, `--` ends the flags. (commander's own grammar knows neither --bool=false
// nor Docker's error texts, and takes --no-trunc for the negation of --trunc.)

import type { FlagSpec } from "./spec.ts";
import { FlagValues } from "./values.ts";

export interface ParsedArgs {
  readonly flags: FlagValues;
  readonly args: readonly string[];
  /** Lines to show first: deprecated flags that were used. */
  readonly warnings: readonly string[];
}

/** Thrown when --help (or -h where it is not another flag's letter) is met: the rest is not looked at. The message is a line to show before. */
export class HelpRequested extends Error {}

/** Docker tells those who ask by -h. */
export const shortHelpWarning = "Flag shorthand -h has been deprecated, use --help\n";

/**
 * Reads `argv`. With `interspersed` false the first word that is no flag ends them (`run IMAGE -x` gives -x to the
 * container). Throws pflag's texts: `unknown flag: --x`, `flag needs an argument: --x`, `invalid argument …`.
 */
export function parseArgs(
  specs: readonly FlagSpec[],
  argv: readonly string[],
  options: { interspersed: boolean },
): ParsedArgs {
  const reader = new ArgReader(specs, argv);
  const args: string[] = [];
  for (let word = reader.next(); word !== undefined; word = reader.next()) {
    if (word === "--") return reader.done([...args, ...reader.rest()]);
    if (word.startsWith("--")) reader.long(word);
    else if (word.startsWith("-") && word.length > 1) reader.cluster(word);
    else if (options.interspersed) args.push(word);
    else return reader.done([word, ...reader.rest()]);
  }
  return reader.done(args);
}

class ArgReader {
  readonly #byName = new Map<string, FlagSpec>();
  readonly #byShort = new Map<string, FlagSpec>();
  readonly #flags: FlagValues;
  readonly #argv: readonly string[];
  readonly #warnings: string[] = [];
  #at = 0;

  constructor(specs: readonly FlagSpec[], argv: readonly string[]) {
    this.#flags = new FlagValues(specs);
    this.#argv = argv;
    for (const spec of specs) {
      this.#byName.set(spec.name, spec);
      if (spec.short) this.#byShort.set(spec.short, spec);
    }
  }

  next(): string | undefined {
    return this.#argv[this.#at++];
  }

  rest(): readonly string[] {
    return this.#argv.slice(this.#at);
  }

  done(args: readonly string[]): ParsedArgs {
    return { flags: this.#flags, args, warnings: this.#warnings };
  }

  long(word: string): void {
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    if (name === "" || name.startsWith("-")) throw new Error(`bad flag syntax: ${word}`);
    const spec = this.#byName.get(name);
    if (!spec) {
      if (name === "help") throw new HelpRequested();
      throw new Error(`unknown flag: --${name}`);
    }
    const given = equals >= 0 ? word.slice(equals + 1) : undefined;
    const value = given ?? (spec.kind === "bool" ? "true" : this.next());
    if (value === undefined) throw new Error(`flag needs an argument: --${name}`);
    this.#set(spec, value);
  }

  cluster(word: string): void {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] ?? "";
      const spec = this.#byShort.get(letter);
      if (!spec) {
        if (letter === "h") throw new HelpRequested(shortHelpWarning);
        throw new Error(`unknown shorthand flag: '${letter}' in -${word.slice(at)}`);
      }
      const tail = word.slice(at + 1);
      const takesRest = tail.startsWith("=") || spec.kind !== "bool";
      this.#setShort(spec, { letter, tail: takesRest ? tail : "=true", shown: word.slice(at) });
      if (takesRest) return;
    }
  }

  #setShort(spec: FlagSpec, word: { letter: string; tail: string; shown: string }): void {
    const value = word.tail === "" ? this.next() : word.tail.replace(/^=/, "");
    if (value === undefined) throw new Error(`flag needs an argument: '${word.letter}' in -${word.shown}`);
    this.#set(spec, value);
  }

  #set(spec: FlagSpec, value: string): void {
    if (spec.name === "help") throw new HelpRequested();
    this.#flags.set(spec, value);
    if (spec.deprecated) {
      this.#warnings.push(`Flag --${spec.name} has been deprecated, ${spec.deprecated}`);
    }
  }
}
