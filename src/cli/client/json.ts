// JSON with Go's habits: 64-bit integers survive (as bigint), and text is laid out without being parsed.

/** JSON.parse, with integers beyond 2^53 as bigint (event times are nanoseconds). */
export function parseJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const exact = (_key: string, value: unknown, context?: { source?: string }) => {
    if (typeof value !== "number" || Number.isSafeInteger(value) || !context?.source) return value;
    return /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
  };
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
}

/** Lays JSON text out as Go's json.Indent does: keys, numbers and escapes stay as they were written. */
export function indentJson(text: string, indent: string): string {
  let out = "";
  let depth = 0;
  for (const token of tokens(text)) {
    if (token === "{" || token === "[") {
      if (out.endsWith("{") || out.endsWith("[")) out += `\n${indent.repeat(depth)}`;
      out += token;
      depth++;
    } else if (token === "}" || token === "]") {
      depth--;
      if (!out.endsWith("{") && !out.endsWith("[")) out += `\n${indent.repeat(depth)}`;
      out += token;
    } else {
      if (out.endsWith("{") || out.endsWith("[")) out += `\n${indent.repeat(depth)}`;
      out += token === "," ? `,\n${indent.repeat(depth)}` : token === ":" ? ": " : token;
    }
  }
  return out;
}

/** JSON text without white space between its tokens. */
export function compactJson(text: string): string {
  return [...tokens(text)].join("");
}

function* tokens(text: string): Generator<string> {
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs)) yield match[0];
}

/** The values of a stream of JSON texts, one after another, with or without white space or RS between them. */
export async function* jsonStream(body: AsyncIterable<Buffer>): AsyncGenerator<unknown, void> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const piece of body) {
    pending += decoder.decode(piece, { stream: true });
    const { values, rest } = splitValues(pending);
    pending = rest;
    for (const text of values) yield parseJson(text);
  }
  if (pending.trim() !== "") yield parseJson(pending);
}

/** Cuts complete top-level objects off the front. */
function splitValues(text: string): { values: string[]; rest: string } {
  const values: string[] = [];
  let depth = 0;
  let start = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]|"/gs)) {
    if (match[0] === '"') break; // a string that has not ended yet
    if (match[0] === "{" || match[0] === "[") {
      if (depth++ === 0) start = match.index;
    } else if (match[0] === "}" || match[0] === "]") {
      if (--depth === 0) values.push(text.slice(start, match.index + 1));
    }
    if (depth === 0) start = match.index + match[0].length;
  }
  return { values, rest: text.slice(start) };
}
