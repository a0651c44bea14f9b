// Numbers as Go reads them from a command line: integers, booleans, durations, sizes, CPU counts.

const goErrorText = (fn: string, value: string, why: string) =>
  `strconv.${fn}: parsing ${quote(value)}: ${why}`;

/** A Go string literal of `value`. */
export function quote(value: string): string {
  return JSON.stringify(value).replace(/\u007f/g, "\\x7f");
}

/** strconv.ParseBool. Throws its error. */
export function parseBool(value: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw new Error(goErrorText("ParseBool", value, "invalid syntax"));
}

/** A 64-bit integer, decimal or with 0x, 0o, 0b. */
export function parseInteger(value: string): number {
  if (!/^[+-]?(\d+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/.test(value)) {
    throw new Error(goErrorText("ParseInt", value, "invalid syntax"));
  }
  const negative = value.startsWith("-");
  const digits = value.replace(/^[+-]/, "");
  const number = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  if (number > 2 ** 63) throw new Error(goErrorText("ParseInt", value, "value out of range"));
  return negative ? -number : number;
}

/** strconv.ParseUint without a base: decimal or 0x. Throws in Go's words. */
export function parseUnsigned(value: string, bits: 16 | 64): number {
  if (!/^(\d+|0[xX][0-9a-fA-F]+)$/.test(value)) {
    throw new Error(goErrorText("ParseUint", value, "invalid syntax"));
  }
  const number = Number(value);
  if (number >= 2 ** bits) throw new Error(goErrorText("ParseUint", value, "value out of range"));
  return number;
}

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** time.ParseDuration, in nanoseconds. */
export function parseDuration(value: string): number {
  const match = /^([+-]?)(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/.exec(value);
  if (!match) {
    const unitless = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(value);
    throw new Error(`time: ${unitless ? "missing unit in" : "invalid"} duration ${quote(value)}`);
  }
  let total = 0;
  for (const part of value.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(part[1]) * (nanoseconds[part[2] ?? "s"] ?? 0);
  }
  return match[1] === "-" ? -Math.round(total) : Math.round(total);
}

const binaryExponent = "kmgtp";

/** Sizes such as 64m, 1.5g, 10KiB in powers of 1024. Throws go-units' `invalid size: 'x'` or `invalid suffix: 'x'`. */
export function parseBytes(value: string): number {
  const match = /^(.*[\d. ])([^\d. ]*)$/.exec(value);
  if (!match) throw new Error(`invalid size: '${value}'`);
  const [, digits = "", suffix = ""] = match;
  const number = digits.endsWith(" ") ? digits.slice(0, -1) : digits;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(number))
    throw new Error(goErrorText("ParseFloat", number, "invalid syntax"));
  if (Number(number) < 0) throw new Error(`invalid size: '${value}'`);
  return Math.trunc(Number(number) * byteFactor(suffix.toLowerCase()));
}

function byteFactor(suffix: string): number {
  if (suffix === "" || suffix === "b") return 1;
  if (!/^[kmgtp](b|ib)?$/.test(suffix)) throw new Error(`invalid suffix: '${suffix}'`);
  return 1024 ** (binaryExponent.indexOf(suffix.charAt(0)) + 1);
}

/** `--cpus`: a decimal or a fraction, in billionths. */
export function parseCpus(value: string): number {
  const match = /^([+-]?\d*\.?\d*)(?:\/(\d+))?$/.exec(value);
  if (!match?.[1] || !/\d/.test(match[1])) {
    throw new Error(`failed to parse ${value} as a rational number`);
  }
  const nano = (Number(match[1]) * 1e9) / Number(match[2] ?? 1);
  const rounded = Math.round(nano);
  if (Math.abs(nano - rounded) > 1e-4) throw new Error("value is too precise");
  return rounded;
}
