// Go templates, as `--format` takes them. What is not there: define, template, block.

import { evaluate, type Functions, type Program } from "./evaluate.ts";
import { templateFunctions } from "./functions.ts";
import { parse } from "./parser.ts";

export { TemplateError } from "./ast.ts";

export interface Template {
  /** The text it makes of `data`. Throws TemplateError. */
  run(data: unknown, functions?: Functions): string;
}

/** Parses a template. Throws TemplateError with Go's text. */
export function parseTemplate(
  source: string,
  options: { name?: string; functions?: Functions } = {},
): Template {
  const name = options.name ?? "";
  const own = { ...templateFunctions, ...options.functions };
  const nodes = parse(name, source, new Set(Object.keys(own)));
  return {
    run: (data, functions = own) => evaluate({ name, source, nodes, functions } satisfies Program, data),
  };
}
