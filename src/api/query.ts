// Reading a query string as Docker's daemon does.

import { invalid } from "../util/errors.ts";
import { parseTime } from "./time.ts";

const falseWords = new Set(["", "0", "no", "false", "none"]);

/** True unless the text is one of Docker's words for false. */
function isTrueWord(text: string): boolean {
  return !falseWords.has(text.trim().toLowerCase());
}

/** The parameters of a request. A missing one and an empty one are the same, as in Go. */
export class Query {
  readonly #parameters: URLSearchParams;

  constructor(parameters: URLSearchParams) {
    this.#parameters = parameters;
  }

  text(name: string): string | undefined {
    return this.#parameters.get(name) || undefined;
  }

  all(name: string): readonly string[] {
    return this.#parameters.getAll(name);
  }

  flag(name: string, whenMissing = false): boolean {
    const text = this.#parameters.get(name);
    return text === null ? whenMissing : isTrueWord(text);
  }

  /** Like `flag`, but throws invalid unless Go's ParseBool takes it. */
  strictFlag(name: string): boolean {
    const text = this.text(name);
    if (text !== undefined && !/^(1|0|t|f|true|false)$/i.test(text))
      throw invalid(
        `invalid value for ${name}: ${text}: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
      );
    return text !== undefined && /^(1|t|true)$/i.test(text);
  }

  /** Throws invalid when it is there and not a whole number. */
  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^[-+]?[0-9]+$/.test(text))
      throw invalid(
        `invalid value for ${name}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
      );
    return Number(text);
  }

  /** Nanoseconds since 1970; 0 means not given. Throws invalid when it is no time. */
  time(name: string, now: Date): bigint | undefined {
    const text = this.text(name);
    if (text === undefined || text === "0") return undefined;
    const time = parseTime(text, now);
    if (time === undefined) throw invalid(`invalid value for ${name}: ${JSON.stringify(text)} is not a time`);
    return time;
  }
}
