// Cuts a template into text and the tokens of its actions, with {{- and -}} trimming, as Go's text/template does.

import { TemplateError } from "./ast.ts";

export type TokenKind =
  | "text"
  | "open"
  | "close"
  | "space"
  | "field"
  | "variable"
  | "word"
  | "string"
  | "char"
  | "number"
  | "declare"
  | "assign"
  | "pipe"
  | "comma"
  | "paren-open"
  | "paren-close"
  | "dot"
  | "end-of-input";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly at: number;
}

/** Line number of an offset, from 1. */
export function lineOf(source: string, at: number): number {
  return source.slice(0, at).split("\n").length;
}

const patterns: readonly (readonly [TokenKind, RegExp])[] = [
  ["space", /\s+/y],
  ["field", /\.[\p{L}_][\p{L}\p{N}_]*/uy],
  ["variable", /\$[\p{L}\p{N}_]*/uy],
  [
    "number",
    /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y,
  ],
  ["word", /[\p{L}_][\p{L}\p{N}_]*/uy],
  ["string", /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  ["char", /'(?:[^'\\\n]|\\.)+'/y],
  ["declare", /:=/y],
  ["assign", /=/y],
  ["pipe", /\|/y],
  ["comma", /,/y],
  ["paren-open", /\(/y],
  ["paren-close", /\)/y],
  ["dot", /\./y],
];

/** All tokens; comments are gone. Throws TemplateError (`template: name:line: …`). */
export function lex(name: string, source: string): readonly Token[] {
  const tokens: Token[] = [];
  const fail = (at: number, why: string) =>
    new TemplateError(`template: ${name}:${lineOf(source, at)}: ${why}`);
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf("{{", at);
    const end = open < 0 ? source.length : open;
    const trimsLeft = open >= 0 && /^\{\{-\s/.test(source.slice(open, open + 4));
    pushText(tokens, source.slice(at, end), at, { left: trimNext, right: trimsLeft });
    if (open < 0) break;
    const start = open + (trimsLeft ? 3 : 2);
    const comment = /^\s*\/\*[\s\S]*?\*\/(?:\s+-)?\}\}/.exec(source.slice(start));
    if (comment) {
      at = start + comment[0].length;
      trimNext = comment[0].endsWith("-}}");
      continue;
    }
    tokens.push({ kind: "open", text: "{{", at: open });
    const close = lexAction(tokens, source, start, fail);
    at = close.after;
    trimNext = close.trims;
  }
  tokens.push({ kind: "end-of-input", text: "EOF", at: source.length });
  return tokens;
}

function pushText(tokens: Token[], raw: string, at: number, trim: { left: boolean; right: boolean }): void {
  let text = trim.left ? raw.trimStart() : raw;
  if (trim.right) text = text.trimEnd();
  if (text !== "") tokens.push({ kind: "text", text, at });
}

type Fail = (at: number, why: string) => TemplateError;

function lexAction(
  tokens: Token[],
  source: string,
  start: number,
  fail: Fail,
): { after: number; trims: boolean } {
  let depth = 0;
  for (let at = start; ; ) {
    const close = /^(\s-)?\}\}/.exec(source.slice(at, at + 4)) ?? /^\s+-\}\}/.exec(source.slice(at));
    if (close) {
      if (depth > 0) throw fail(at, "unclosed left paren");
      tokens.push({ kind: "close", text: "}}", at });
      return { after: at + close[0].length, trims: close[0].length > 2 };
    }
    if (at >= source.length) throw fail(start, depth > 0 ? "unclosed left paren" : "unclosed action");
    const token = nextToken(source, at);
    if (!token) throw fail(at, unlexable(source, at));
    if (token.kind === "paren-open") depth++;
    if (token.kind === "paren-close" && --depth < 0) throw fail(at, "unexpected right paren");
    tokens.push(token);
    at += token.text.length;
  }
}

function nextToken(source: string, at: number): Token | undefined {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match) return { kind, text: match[0], at };
  }
  return undefined;
}

function unlexable(source: string, at: number): string {
  const char = source[at] ?? "";
  if (char === '"') return "unterminated quoted string";
  if (char === "`") return "unterminated raw quoted string";
  if (char === "'") return "unterminated character constant";
  if (char === "}") return 'unexpected "}" in operand';
  if (char === ":") return "expected :=";
  const code = char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  return `unrecognized character in action: U+${code} '${char}'`;
}
