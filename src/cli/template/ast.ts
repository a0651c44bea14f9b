// The tree of a parsed template. `at` is where a node starts in the source; `source` is how an error shows it.

interface Placed {
  readonly at: number;
  readonly source: string;
}

export type Operand = Placed &
  (
    | { readonly kind: "dot" | "nil" }
    | { readonly kind: "literal"; readonly value: string | number | boolean }
    | { readonly kind: "field"; readonly names: readonly string[] }
    | { readonly kind: "variable"; readonly name: string; readonly names: readonly string[] }
    | { readonly kind: "function"; readonly name: string }
    | { readonly kind: "pipeline"; readonly pipeline: Pipeline }
    | { readonly kind: "chain"; readonly base: Operand; readonly names: readonly string[] }
  );

export interface Command extends Placed {
  readonly operands: readonly Operand[];
}

export interface Pipeline extends Placed {
  readonly variables: readonly string[];
  /** `$x = …` rather than `$x := …`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

export type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipeline: Pipeline }
  | {
      readonly kind: "if" | "with" | "range";
      readonly pipeline: Pipeline;
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    }
  | { readonly kind: "break" | "continue" };

/** What is wrong with a template, in the words of Go's text/template. */
export class TemplateError extends Error {}
