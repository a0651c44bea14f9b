// What all inspect commands do: fetch each object, print them as JSON or through a template.

import { errorMessage } from "../../util/errors.ts";
import { compactJson, indentJson, parseJson } from "../client/json.ts";
import { StatusError } from "../errors.ts";
import type { Session } from "../session.ts";
import { parseTemplate, type Template } from "../template/template.ts";
import { prepare } from "../template/values.ts";

/** The JSON of one object, as the daemon sent it. */
export type FetchObject = (name: string) => Promise<string>;

/** Prints the objects that are there; then throws (exit 1) what was wrong with the others. */
export async function inspectAll(
  session: Session,
  names: readonly string[],
  format: string,
  fetch: FetchObject,
): Promise<void> {
  const template = format === "" || format === "json" ? undefined : parseFormat(format);
  const raw: string[] = [];
  const errors: string[] = [];
  let text = "";
  for (const name of names) {
    try {
      const json = await fetch(name);
      if (template) text += `${runTemplate(template, json)}\n`;
      else raw.push(json.trim());
    } catch (error) {
      errors.push(errorMessage(error));
    }
  }
  if (template) session.out.write(text === "" ? "\n" : text);
  else session.out.write(`${layOut(raw, format)}\n`);
  if (errors.length > 0) throw new StatusError(1, errors.join("\n"));
}

/** One document by a template, or `json`. Throws as `inspectAll` does. */
export function formatDocument(json: string, format: string): string {
  return format === "json" ? compactJson(json) : runTemplate(parseFormat(format), json);
}

function layOut(raw: readonly string[], format: string): string {
  const list = `[${raw.join(",")}]`;
  return format === "json" ? compactJson(list) : indentJson(list, "    ");
}

function parseFormat(format: string): Template {
  try {
    return parseTemplate(format);
  } catch (error) {
    throw new StatusError(64, `template parsing error: ${errorMessage(error)}`);
  }
}

function runTemplate(template: Template, json: string): string {
  try {
    return template.run(prepare(parseJson(json)));
  } catch (error) {
    throw new Error(`template parsing error: ${errorMessage(error)}`);
  }
}
