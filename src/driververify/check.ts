// What a check is: one rule of the contract, where it is written, which drivers it is about, and how to find out whether
// one keeps it.

/** How a rule was broken, for the person who wrote the driver. */
export class Broken extends Error {
  readonly expected: string;
  readonly got: string;
  readonly hint: string | undefined;

  constructor(expected: string, got: string, hint?: string) {
    super(`expected ${expected}, got ${got}`);
    this.name = "Broken";
    this.expected = expected;
    this.got = got;
    this.hint = hint;
  }
}

/** Why a rule is not about a driver of which these facts are known; undefined: it is. */
export type Need<Facts> = (facts: Facts) => string | undefined;

export interface Check<Scene, Facts> {
  /** `group/name`, never changed: it is what `--only` takes. */
  readonly id: string;
  /** The rule itself, in a sentence. */
  readonly rule: string;
  /** The member of `tsdocker/driverapi` whose documentation says so. */
  readonly where: string;
  /** What must be so of a driver that the rule is about; absent: it is about all. */
  readonly needs?: readonly Need<Facts>[];
  /** What a driver that fails has most likely done. */
  readonly hint?: string;
  readonly run: (scene: Scene) => Promise<void> | void;
}

/** Fails the check unless `holds`. */
export function must(
  holds: boolean,
  expected: string,
  got: string | (() => string),
  hint?: string,
): asserts holds {
  if (!holds) throw new Broken(expected, typeof got === "string" ? got : got(), hint);
}

/** Why a check is not about the driver; undefined: it is. */
export function lacks<Facts>(
  { needs = [] }: { readonly needs?: readonly Need<Facts>[] },
  facts: Facts,
): string | undefined {
  for (const need of needs) {
    const reason = need(facts);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

export function groupOf({ id }: { readonly id: string }): string {
  return id.slice(0, id.indexOf("/"));
}
