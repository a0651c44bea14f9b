// Tokens to a tree. Errors are worded as Go's text/template words them: `template: name:line: what`.

import { type Command, type Operand, type Pipeline, TemplateError, type TemplateNode } from "./ast.ts";
import { lex, lineOf, type Token, type TokenKind } from "./lexer.ts";
import { unquote } from "./strings.ts";

/** Parses `source`. `functions` are the names that may be called. Throws TemplateError. */
export function parse(name: string, source: string, functions: ReadonlySet<string>): readonly TemplateNode[] {
  const parser = new Parser(name, source, functions);
  return parser.all();
}

interface Block {
  readonly nodes: readonly TemplateNode[];
  readonly endedBy: string;
}

class Parser {
  readonly #name: string;
  readonly #source: string;
  readonly #functions: ReadonlySet<string>;
  readonly #tokens: readonly Token[];
  #at = 0;
  #variables = ["$"];
  #rangeDepth = 0;

  constructor(name: string, source: string, functions: ReadonlySet<string>) {
    this.#name = name;
    this.#source = source;
    this.#functions = functions;
    this.#tokens = lex(name, source);
  }

  all(): readonly TemplateNode[] {
    const { nodes, endedBy } = this.#block();
    if (endedBy !== "EOF") throw this.#fail(`unexpected {{${endedBy}}}`);
    return nodes;
  }

  /** Nodes up to {{end}}, {{else}} or the end of the source. */
  #block(): Block {
    const nodes: TemplateNode[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === "end-of-input") return { nodes, endedBy: "EOF" };
      if (token.kind === "text") {
        nodes.push({ kind: "text", text: token.text });
        continue;
      }
      this.#skipSpace();
      const word = this.#peek();
      if (word.kind === "word" && (word.text === "end" || word.text === "else")) {
        this.#next();
        return { nodes, endedBy: word.text };
      }
      nodes.push(this.#action(word));
    }
  }

  #action(word: Token): TemplateNode {
    if (word.kind === "word") {
      switch (word.text) {
        case "if":
        case "with":
        case "range":
          this.#next();
          return this.#control(word.text);
        case "break":
        case "continue":
          this.#next();
          this.#skipSpace();
          this.#expect("close", word.text);
          if (this.#rangeDepth === 0) throw this.#fail(`{{${word.text}}} outside {{range}}`);
          return { kind: word.text };
      }
    }
    const pipeline = this.#pipeline("command", "close");
    return { kind: "action", pipeline };
  }

  #control(kind: "if" | "with" | "range"): TemplateNode {
    const outer = this.#variables.length;
    const pipeline = this.#pipeline(kind, "close", kind === "range");
    if (kind === "range") this.#rangeDepth++;
    const { nodes: body, endedBy } = this.#block();
    if (kind === "range") this.#rangeDepth--;
    const otherwise = endedBy === "else" ? this.#otherwise(kind) : this.#closeEnd(endedBy);
    this.#variables.length = outer;
    return { kind, pipeline, body, otherwise };
  }

  #otherwise(kind: string): readonly TemplateNode[] {
    this.#skipSpace();
    const word = this.#peek();
    if (word.kind === "word" && (word.text === "if" || word.text === "with") && word.text === kind) {
      this.#next();
      return [this.#control(word.text)];
    }
    this.#expect("close", "else");
    const { nodes, endedBy } = this.#block();
    if (endedBy === "else") throw this.#fail("expected end; found {{else}}");
    this.#closeEnd(endedBy);
    return nodes;
  }

  #closeEnd(endedBy: string): readonly TemplateNode[] {
    if (endedBy === "EOF") throw this.#fail("unexpected EOF");
    this.#skipSpace();
    this.#expect("close", "end");
    return [];
  }

  #pipeline(context: string, end: "close" | "paren-close", isRange = false): Pipeline {
    this.#skipSpace();
    const start = this.#peek().at;
    const { variables, assigns } = this.#declaration(isRange);
    const commands: Command[] = [];
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token.kind === end) {
        this.#next();
        if (commands.length === 0) throw this.#fail(`missing value for ${context}`, token.at);
        for (const command of commands.slice(1)) this.#checkPiped(command);
        return {
          at: start,
          source: this.#source.slice(start, token.at).trim(),
          variables,
          assigns,
          commands,
        };
      }
      commands.push(this.#command());
    }
  }

  /** Only a function or a method can take the value of the pipeline's left side. */
  #checkPiped(command: Command): void {
    const first = command.operands[0];
    if (first && (first.kind === "literal" || first.kind === "dot" || first.kind === "nil")) {
      throw this.#fail(`non executable command in pipeline stage 2`, first.at);
    }
  }

  #declaration(isRange: boolean): { variables: string[]; assigns: boolean } {
    const mark = this.#at;
    const variables: string[] = [];
    for (let token = this.#peek(); token.kind === "variable"; token = this.#peek()) {
      this.#next();
      variables.push(token.text);
      this.#skipSpace();
      const after = this.#next();
      if (after.kind === "declare") {
        this.#variables.push(...variables);
        return { variables, assigns: false };
      }
      if (after.kind === "assign") {
        for (const name of variables) this.#known(name, token.at);
        return { variables, assigns: true };
      }
      if (after.kind !== "comma" || !isRange || variables.length > 1) break;
      this.#skipSpace();
    }
    this.#at = mark;
    return { variables: [], assigns: false };
  }

  #command(): Command {
    const operands: Operand[] = [];
    const start = this.#peek().at;
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token.kind === "pipe") {
        this.#next();
        if (operands.length === 0) throw this.#fail("empty command", token.at);
        this.#skipSpace();
        const after = this.#peek().kind;
        if (after === "close" || after === "paren-close") throw this.#fail("missing value for command");
        break;
      }
      if (token.kind === "close" || token.kind === "paren-close") break;
      operands.push(this.#operand());
      const next = this.#peek();
      if (!["space", "pipe", "close", "paren-close"].includes(next.kind)) {
        throw this.#fail(`unexpected ${shown(next)} in operand`, next.at);
      }
    }
    return { at: start, source: operands.map((operand) => operand.source).join(" "), operands };
  }

  #operand(): Operand {
    const base = this.#term();
    const { at } = this.#peek(); // where Go places what has fields after it
    const names: string[] = [];
    while (this.#peek().kind === "field") names.push(this.#next().text.slice(1));
    if (names.length === 0) return base;
    const source = `${base.source}.${names.join(".")}`;
    if (base.kind === "field") return { ...base, at, source, names: [...base.names, ...names] };
    if (base.kind === "variable") return { ...base, at, source, names };
    if (base.kind === "literal" || base.kind === "nil" || base.kind === "dot") {
      throw this.#fail(`unexpected . after term ${JSON.stringify(base.source)}`, base.at);
    }
    return { kind: "chain", at, source, base, names };
  }

  #term(): Operand {
    const token = this.#next();
    const placed = { at: token.at, source: token.text };
    switch (token.kind) {
      case "dot":
        return { kind: "dot", ...placed };
      case "field":
        return { kind: "field", ...placed, names: [token.text.slice(1)] };
      case "variable":
        this.#known(token.text, token.at);
        return { kind: "variable", ...placed, name: token.text, names: [] };
      case "string":
        return { kind: "literal", ...placed, value: unquote(token.text) };
      case "char":
        return {
          kind: "literal",
          ...placed,
          value: unquote(`"${token.text.slice(1, -1)}"`).codePointAt(0) ?? 0,
        };
      case "number":
        return { kind: "literal", ...placed, value: Number(token.text.replaceAll("_", "")) };
      case "word":
        return this.#word(token);
      case "paren-open": {
        const pipeline = this.#pipeline("parenthesized pipeline", "paren-close");
        return { kind: "pipeline", at: token.at, source: `(${pipeline.source})`, pipeline };
      }
      default:
        throw this.#fail(`unexpected ${shown(token)} in operand`, token.at);
    }
  }

  #word(token: Token): Operand {
    const placed = { at: token.at, source: token.text };
    if (token.text === "true" || token.text === "false") {
      return { kind: "literal", ...placed, value: token.text === "true" };
    }
    if (token.text === "nil") return { kind: "nil", ...placed };
    if (!this.#functions.has(token.text))
      throw this.#fail(`function ${JSON.stringify(token.text)} not defined`, token.at);
    return { kind: "function", ...placed, name: token.text };
  }

  #known(name: string, at: number): void {
    if (!this.#variables.includes(name)) throw this.#fail(`undefined variable ${JSON.stringify(name)}`, at);
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: "end-of-input", text: "EOF", at: this.#source.length };
  }

  #skipSpace(): void {
    if (this.#peek().kind === "space") this.#next();
  }

  #expect(kind: TokenKind, context: string): void {
    const token = this.#next();
    if (token.kind !== kind) throw this.#fail(`unexpected ${shown(token)} in ${context}`, token.at);
  }

  #fail(why: string, at = this.#peek().at): TemplateError {
    return new TemplateError(`template: ${this.#name}:${lineOf(this.#source, at)}: ${why}`);
  }
}

function shown(token: Token): string {
  return token.kind === "end-of-input" ? "EOF" : `<${token.text}>`;
}
