// The table of flags in a help text, in pflag's layout: sorted by name, aligned, wrapped at the terminal's width.

import { quote } from "./numbers.ts";
import type { FlagSpec } from "./spec.ts";

/** One line per flag, wrapped to `columns`. */
export function flagUsages(specs: readonly FlagSpec[], columns: number): string {
  const shown = specs.filter((spec) => !spec.hidden && !spec.deprecated);
  const rows = shown
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((spec) => ({ left: leftSide(spec), right: spec.usage + initialText(spec) }));
  const width = Math.max(0, ...rows.map((row) => row.left.length)) + 1;
  return rows
    .map(({ left, right }) => `${left} ${" ".repeat(width - left.length)} ${wrap(width + 2, columns, right)}`)
    .join("\n");
}

function leftSide(spec: FlagSpec): string {
  const name = spec.short ? `  -${spec.short}, --${spec.name}` : `      --${spec.name}`;
  return spec.kind === "bool" ? name : `${name} ${spec.kind}`;
}

function initialText(spec: FlagSpec): string {
  if (spec.shownInitial !== undefined) return ` (default ${spec.shownInitial})`;
  if (spec.kind === "map") return " (default map[])";
  if (spec.kind === "ulimit") return " (default [])";
  const initial = spec.initial ?? "";
  if (initial === "" || initial === "false" || initial === "0") return "";
  return ` (default ${spec.kind === "string" ? quote(initial) : initial})`;
}

/** pflag's wrap: hanging indent, lines up to five over when that spares an orphan word. */
function wrap(indent: number, columns: number, text: string): string {
  const pad = `\n${" ".repeat(indent)}`;
  const room = columns - indent;
  if (room < 24) return wrapNarrow(columns, text);
  return fill(room, text)
    .map((line) => line.replaceAll("\n", pad))
    .join(pad);
}

function wrapNarrow(columns: number, text: string): string {
  const pad = `\n${" ".repeat(16)}`;
  if (columns - 16 < 24) return text.replaceAll("\n", pad);
  return pad + fill(columns - 16, text).join(pad);
}

const slop = 5;

function fill(room: number, text: string): string[] {
  const lines: string[] = [];
  let rest = text;
  do {
    const [line, tail] = cutLine(room - slop, rest);
    lines.push(line);
    rest = tail;
  } while (rest !== "");
  return lines;
}

function cutLine(width: number, text: string): [string, string] {
  if (width + slop > text.length) return [text, ""];
  const head = text.slice(0, width);
  const space = Math.max(head.lastIndexOf(" "), head.lastIndexOf("\t"), head.lastIndexOf("\n"));
  if (space <= 0) return [text, ""];
  const newline = head.lastIndexOf("\n");
  const cut = newline > 0 && newline < space ? newline : space;
  return [text.slice(0, cut), text.slice(cut + 1)];
}
