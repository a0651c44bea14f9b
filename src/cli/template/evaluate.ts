// Runs a parsed template on a value. Errors carry line, column and the piece of source they are about, as Go's do.

import { errorMessage } from "../../util/errors.ts";
import { type Command, type Operand, type Pipeline, TemplateError, type TemplateNode } from "./ast.ts";
import { lineOf } from "./lexer.ts";
import { formatValue } from "./print.ts";
import { goTypeName } from "./strings.ts";
import { absentField, goType, isMap, isTrue } from "./values.ts";

export type TemplateFunction = (...args: readonly unknown[]) => unknown;
export type Functions = Readonly<Record<string, TemplateFunction>>;

export interface Program {
  readonly name: string;
  readonly source: string;
  readonly nodes: readonly TemplateNode[];
  readonly functions: Functions;
}

interface Variable {
  readonly name: string;
  value: unknown;
}

/** A function's call: its operands, evaluated by `args`, and the command it is for error texts. */
interface Call {
  readonly args: () => unknown[];
  readonly rest: readonly Operand[];
  readonly dot: unknown;
  readonly piped: unknown;
  readonly whole: { readonly at: number; readonly source: string };
}

type Flow = "next" | "break" | "continue";
const none = Symbol("no piped value");

/** The text that `program` makes of `data`. Throws TemplateError. */
export function evaluate(program: Program, data: unknown): string {
  const run = new Run(program, data);
  run.nodes(program.nodes, data);
  return run.output;
}

class Run {
  output = "";
  readonly #program: Program;
  readonly #variables: Variable[];

  constructor(program: Program, data: unknown) {
    this.#program = program;
    this.#variables = [{ name: "$", value: data }];
  }

  nodes(nodes: readonly TemplateNode[], dot: unknown): Flow {
    for (const node of nodes) {
      const flow = this.#node(node, dot);
      if (flow !== "next") return flow;
    }
    return "next";
  }

  #node(node: TemplateNode, dot: unknown): Flow {
    switch (node.kind) {
      case "text":
        this.output += node.text;
        return "next";
      case "action": {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length === 0) this.output += formatValue(value);
        return "next";
      }
      case "if":
      case "with":
        return this.#scoped(() => {
          const value = this.#pipeline(node.pipeline, dot);
          const inner = node.kind === "with" ? value : dot;
          return isTrue(value) ? this.nodes(node.body, inner) : this.nodes(node.otherwise, dot);
        });
      case "range":
        return this.#scoped(() => this.#range(node, dot));
      default:
        return node.kind;
    }
  }

  #scoped(work: () => Flow): Flow {
    const mark = this.#variables.length;
    const flow = work();
    this.#variables.length = mark;
    return flow;
  }

  #range(node: TemplateNode & { kind: "if" | "with" | "range" }, dot: unknown): Flow {
    const { pipeline } = node;
    const over = this.#pipeline({ ...pipeline, variables: [] }, dot);
    const entries = this.#entries(over, pipeline);
    if (entries.length === 0) return this.nodes(node.otherwise, dot);
    for (const [key, value] of entries) {
      const flow = this.#scoped(() => {
        this.#bindRange(pipeline, key, value);
        return this.nodes(node.body, value);
      });
      if (flow === "break") break;
    }
    return "next";
  }

  #bindRange(pipeline: Pipeline, key: unknown, value: unknown): void {
    const [first, second] = pipeline.variables;
    const values = second === undefined ? [value] : [key, value];
    [first, second].forEach((name, index) => {
      if (name !== undefined) this.#bind(name, values[index], pipeline.assigns);
    });
  }

  #entries(over: unknown, pipeline: Pipeline): [unknown, unknown][] {
    if (over === null || over === undefined) return [];
    if (Array.isArray(over)) return over.map((value, index) => [index, value]);
    if (typeof over === "number") return Array.from({ length: over }, (_, index) => [index, index]);
    if (typeof over === "object") {
      return Object.entries(over).toSorted(([a], [b]) => (a < b ? -1 : 1));
    }
    throw this.#fail(pipeline, `range can't iterate over ${formatValue(over)}`);
  }

  #pipeline(pipeline: Pipeline, dot: unknown): unknown {
    let value: unknown = none;
    for (const command of pipeline.commands) value = this.#command(command, dot, value);
    for (const name of pipeline.variables) this.#bind(name, value, pipeline.assigns);
    return value;
  }

  #bind(name: string, value: unknown, assigns: boolean): void {
    const known = assigns ? this.#variables.findLast((variable) => variable.name === name) : undefined;
    if (known) known.value = value;
    else this.#variables.push({ name, value });
  }

  #command(command: Command, dot: unknown, piped: unknown): unknown {
    const [first, ...rest] = command.operands;
    if (!first) throw this.#fail(command, "empty command");
    const args = () => {
      const values = rest.map((operand) => this.#operand(operand, dot));
      return piped === none ? values : [...values, piped];
    };
    switch (first.kind) {
      case "function":
        return this.#call(first, { args, rest, dot, piped, whole: command });
      case "field":
        return this.#fields(first, dot, first.names, args());
      case "variable":
        return this.#fields(first, this.#variable(first.name), first.names, args());
      case "chain":
        return this.#fields(first, this.#operand(first.base, dot), first.names, args());
      default:
        if (rest.length > 0 || piped !== none) {
          throw this.#fail(first, `can't give argument to non-function ${first.source}`);
        }
        return this.#operand(first, dot);
    }
  }

  #operand(operand: Operand, dot: unknown): unknown {
    switch (operand.kind) {
      case "dot":
        return dot;
      case "nil":
        return null;
      case "literal":
        return operand.value;
      case "field":
        return this.#fields(operand, dot, operand.names, []);
      case "variable":
        return this.#fields(operand, this.#variable(operand.name), operand.names, []);
      case "chain":
        return this.#fields(operand, this.#operand(operand.base, dot), operand.names, []);
      case "pipeline":
        return this.#pipeline(operand.pipeline, dot);
      case "function":
        return this.#call(operand, { args: () => [], rest: [], dot, piped: none, whole: operand });
    }
  }

  /** `and` and `or` stop at the first operand that decides; the others see all of theirs. */
  #call(operand: Operand & { kind: "function" }, call: Call): unknown {
    const { args, rest, dot, piped, whole } = call;
    const { name } = operand;
    if (name === "and" || name === "or") {
      let value: unknown;
      for (const one of rest) {
        value = this.#operand(one, dot);
        if (isTrue(value) === (name === "or")) return value;
      }
      return piped === none ? value : piped;
    }
    try {
      return this.#program.functions[name]?.(...args());
    } catch (error) {
      if (error instanceof TemplateError) throw error;
      throw this.#fail(whole, `error calling ${name}: ${errorMessage(error)}`);
    }
  }

  #variable(name: string): unknown {
    return this.#variables.findLast((variable) => variable.name === name)?.value;
  }

  #fields(operand: Operand, start: unknown, names: readonly string[], args: readonly unknown[]): unknown {
    let value = start;
    names.forEach((name, index) => {
      value = this.#field(operand, value, name, index === names.length - 1 ? args : []);
    });
    return value;
  }

  #field(operand: Operand, value: unknown, name: string, args: readonly unknown[]): unknown {
    if (value === null || value === undefined) {
      throw this.#fail(operand, `nil pointer evaluating interface {}.${name}`);
    }
    if (typeof value !== "object" || Array.isArray(value)) {
      throw this.#fail(operand, `can't evaluate field ${name} in type ${goTypeName(value)}`);
    }
    const field = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    if (typeof field === "function") return field(...args);
    if (args.length > 0) throw this.#fail(operand, `${name} is not a method but has arguments`);
    if (field !== undefined) return field;
    return this.#missing(operand, value, name);
  }

  #missing(operand: Operand, value: object, name: string): unknown {
    if (isMap(value)) return undefined;
    if (goType in value)
      throw this.#fail(operand, `can't evaluate field ${name} in type ${String(value[goType])}`);
    const zero = absentField(name);
    if (zero === undefined) throw this.#fail(operand, `map has no entry for key ${JSON.stringify(name)}`);
    return zero;
  }

  #fail(where: { at: number; source: string }, why: string): TemplateError {
    const { name, source } = this.#program;
    const column = where.at - (source.lastIndexOf("\n", where.at - 1) + 1);
    const place = `template: ${name}:${lineOf(source, where.at)}:${column}`;
    return new TemplateError(`${place}: executing ${JSON.stringify(name)} at <${where.source}>: ${why}`);
  }
}
