// Go's string literals and the verbs of its Printf.

import { formatValue } from "./print.ts";

const escapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** The value of a Go string literal, interpreted ("…") or raw (`…`). */
export function unquote(literal: string): string {
  if (literal.startsWith("`")) return literal.slice(1, -1);
  return literal
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gsu, (_, code: string) =>
      unescapeCode(code),
    );
}

function unescapeCode(code: string): string {
  if (/^[xuU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
  if (/^[0-7]{3}$/.test(code)) return String.fromCodePoint(Number.parseInt(code, 8));
  return escapes[code] ?? code;
}

/** strconv.Quote: control characters escaped, other printable text as it is. */
export function goQuote(text: string): string {
  const body = text.replace(/["\\\p{Cc}\u2028\u2029\ufeff]/gu, (char) => {
    if (char === '"' || char === "\\") return `\\${char}`;
    const letter = Object.keys(escapes).find((key) => escapes[key] === char);
    if (letter) return `\\${letter}`;
    const code = char.charCodeAt(0);
    return code < 0x80
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${body}"`;
}

/** fmt.Sprintf for the verbs v s q d t f e g x X o b c U and %%, with flags, width and precision. */
export function sprintf(format: string, args: readonly unknown[]): string {
  let used = 0;
  const out = format.replace(/%([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*)?)?([a-zA-Z%])|%$/gs, (whole, ...parts) => {
    const [flags = "", width, precision, verb] = parts as (string | undefined)[];
    if (verb === "%") return "%";
    if (verb === undefined) return "%!(NOVERB)";
    const take = () => args[used++];
    const columns = width === "*" ? Number(take()) : Number(width ?? 0);
    const hasPrecision = whole.includes(".");
    const digits = precision === "*" ? Number(take()) : Number(precision ?? 0);
    if (used >= args.length) return `%!${verb}(MISSING)`;
    const text = formatVerb(verb, take(), hasPrecision ? digits : undefined, flags);
    return padVerb(text, columns, flags);
  });
  const extra = args.slice(used).map((value) => `${goTypeName(value)}=${formatValue(value)}`);
  return extra.length > 0 ? `${out}%!(EXTRA ${extra.join(", ")})` : out;
}

function padVerb(text: string, width: number, flags: string): string {
  if (flags.includes("-")) return text.padEnd(width);
  if (!flags.includes("0") || !/^[+-]?[\d.]/.test(text)) return text.padStart(width);
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + text.slice(sign.length).padStart(width - sign.length, "0");
}

function formatVerb(verb: string, value: unknown, precision: number | undefined, flags: string): string {
  const wrong = () => `%!${verb}(${goTypeName(value)}=${formatValue(value)})`;
  switch (verb) {
    case "v":
      return formatValue(value);
    case "s":
      if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
        return wrong();
      return precision === undefined
        ? formatValue(value)
        : [...formatValue(value)].slice(0, precision).join("");
    case "q":
      return typeof value === "string" ? goQuote(value) : wrong();
    case "t":
      return typeof value === "boolean" ? String(value) : wrong();
    default:
      return typeof value === "number" || typeof value === "bigint" || /^[xX]$/.test(verb)
        ? formatNumberVerb(verb, value, precision, flags)
        : wrong();
  }
}

function formatNumberVerb(
  verb: string,
  value: unknown,
  precision: number | undefined,
  flags: string,
): string {
  if (typeof value === "string") {
    const hex = Buffer.from(value).toString("hex");
    return verb === "X" ? hex.toUpperCase() : hex;
  }
  const number = Number(value);
  const plus = flags.includes("+") && number >= 0 ? "+" : "";
  const alternate = flags.includes("#");
  switch (verb) {
    case "d":
      return plus + (typeof value === "bigint" ? value.toString() : String(Math.trunc(number)));
    case "f":
    case "F":
      return plus + number.toFixed(precision ?? 6);
    case "e":
      return plus + goExponent(number.toExponential(precision ?? 6));
    case "g":
      return plus + (precision === undefined ? String(number) : formatG(number, precision));
    case "x":
      return (alternate ? "0x" : "") + number.toString(16);
    case "X":
      return (alternate ? "0X" : "") + number.toString(16).toUpperCase();
    case "o":
      return number.toString(8);
    case "b":
      return number.toString(2);
    case "c":
      return String.fromCodePoint(number);
    case "U":
      return `U+${number.toString(16).toUpperCase().padStart(4, "0")}`;
    default:
      return `%!${verb}(${goTypeName(value)}=${formatValue(value)})`;
  }
}

/** %.Ng: the shortest of fixed and exponent form with N significant digits. */
export function formatG(number: number, digits: number): string {
  if (number === 0) return "0";
  const exponent = Number(number.toExponential(digits - 1).split("e")[1]);
  if (exponent < -4 || exponent >= digits) {
    const [mantissa = "", power = ""] = number.toExponential(digits - 1).split("e");
    return goExponent(`${Number(mantissa)}e${power}`);
  }
  return String(Number(number.toPrecision(digits)));
}

function goExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** The name of a value's type as Go's errors show it. */
export function goTypeName(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}
