// What a check is: one rule of the contract, where it is written, and how to find out whether a driver keeps it.

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

/** The rule is not about this driver; the message says why. */
export class NotApplicable extends Error {}

export interface Check<Scene> {
  /** `group/name`, never changed: it is what `--only` takes. */
  readonly id: string;
  /** The rule itself, in a sentence. */
  readonly rule: string;
  /** The member of `tsdocker/driverapi` whose documentation says so. */
  readonly where: string;
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

/** Ends the check: the rule says nothing about this driver. */
export function onlyIf(applies: boolean, reason: string): asserts applies {
  if (!applies) throw new NotApplicable(reason);
}

export function groupOf({ id }: { readonly id: string }): string {
  return id.slice(0, id.indexOf("/"));
}
