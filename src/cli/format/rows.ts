// Lists: rows with Docker's fields, printed by a template as a table, as JSON, or freely.

import type { Output } from "../streams.ts";
import { encodeJson } from "../template/encode.ts";
import { headerFunctions } from "../template/functions.ts";
import { parseTemplate, type Template, TemplateError } from "../template/template.ts";
import { goType } from "../template/values.ts";
import { alignColumns, listLayout, type TableLayout } from "./table.ts";

/** A row for templates: a function per field; one with a parameter is a method (`.Label "x"`). */
export type Row = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface ListLayout {
  /** The Go type that an unknown field's error names. */
  readonly typeName: string;
  /** Field to column heading. */
  readonly headers: Readonly<Record<string, string>>;
  readonly table?: TableLayout;
}

/** The template of a format: `table …` without its prefix, `json` as {{json .}}, \t and \n unescaped. Throws TemplateError. */
export function parseListFormat(format: string): Template {
  let source = format;
  if (isTable(format)) source = format.slice("table".length);
  else if (format === "json") source = "{{json .}}";
  source = source
    .replace(/^ +| +$/g, "")
    .replaceAll("\\t", "\t")
    .replaceAll("\\n", "\n");
  try {
    return parseTemplate(source);
  } catch (error) {
    throw asParsingError(error);
  }
}

/** Whether rows are aligned under headings. */
function isTable(format: string): boolean {
  return format.startsWith("table");
}

/** Prints every row by `format`. Throws `template parsing error: …`. */
export function writeRows(out: Output, format: string, layout: ListLayout, rows: readonly Row[]): void {
  const template = parseListFormat(format);
  let text = "";
  try {
    for (const row of rows) text += `${template.run(finishRow(row, layout.typeName))}\n`;
  } catch (error) {
    throw asParsingError(error);
  }
  out.write(
    isTable(format)
      ? alignColumns(`${heading(template, layout)}\n${text}`, layout.table ?? listLayout)
      : text,
  );
}

function heading(template: Template, layout: ListLayout): string {
  try {
    return template.run(
      { ...layout.headers, Label: labelHeading, [goType]: layout.typeName },
      headerFunctions,
    );
  } catch {
    return ""; // what is wrong with the template the rows will say
  }
}

/** `{{.Label "com.example.my-key"}}` has the heading `my key`. */
function labelHeading(name: string): string {
  const last = name.split(".").at(-1) ?? name;
  return last.replace(/[-_]/g, " ");
}

/** What a template and {{json .}} need of a row beside its fields. */
export function finishRow(row: Row, typeName: string): object {
  const full = { ...row };
  Object.defineProperty(full, goType, { value: typeName });
  Object.defineProperty(full, "toGoJson", { value: () => rowJson(row) });
  return full;
}

/** Fields without parameters, sorted, escaped for HTML as Go's Marshal does. */
function rowJson(row: Row): string {
  const fields = Object.keys(row)
    .filter((name) => row[name]?.length === 0)
    .toSorted()
    .map((name) => [name, row[name]?.()]);
  return encodeJson(Object.fromEntries(fields), { escapeHtml: true });
}

/** A template's error as the docker CLI shows it; other errors as they are. */
function asParsingError(error: unknown): unknown {
  return error instanceof TemplateError ? new Error(`template parsing error: ${error.message}`) : error;
}

/** "k=v,k2=v2", sorted. */
export function joinLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join(",");
}

/** Twelve digits of an id or a digest, without the algorithm's name. */
export const truncateId = (id: string) => id.replace(/^[^:]*:/, "").slice(0, 12);
