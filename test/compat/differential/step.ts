// A step of the comparison: one request that is sent to both daemons, as data.

export interface Step {
  readonly method: string;
  /** Below /v1.41 unless `unversioned`; `{name}` stands for what an earlier answer was saved as. */
  readonly path: string;
  /** A string or bytes are sent as they are, all else as JSON. */
  readonly body?: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly unversioned: boolean;
  /** Keeps the answer's `Id` (or `ID`, `Name`) under this name. */
  readonly save?: string;
  /** The body's bytes are no business of the comparison: an archive. */
  readonly opaque: boolean;
  /** Looks at what that step made: nothing to compare when one daemon made it and the other refused. */
  readonly follows?: Step;
  /** Asked again until the answer has this in it: the end of something that goes on behind a request. */
  readonly until?: RegExp;
  /** The answer takes a daemon many seconds: the next steps do not wait for it, and must not depend on it. */
  readonly slow: boolean;
}

type Options = Partial<Omit<Step, "method" | "path" | "body">>;

/** `step("POST /networks/create", { Name: "n" })`. */
export function step(line: string, body?: unknown, options: Options = {}): Step {
  const space = line.indexOf(" ");
  return {
    method: line.slice(0, space),
    path: line.slice(space + 1),
    ...(body !== undefined && { body }),
    headers: {},
    unversioned: false,
    opaque: false,
    slow: false,
    ...options,
  };
}

/** What a difference is reported under: the request as a person would write it. */
export function titleOf({ method, path, body, headers, unversioned }: Step): string {
  const sent = body === undefined || Buffer.isBuffer(body) ? "" : ` ${show(body)}`;
  const with_ = Object.keys(headers).length > 0 ? ` ${JSON.stringify(headers)}` : "";
  return `${method} ${unversioned ? "(bare)" : ""}${path}${sent}${with_}`;
}

function show(body: unknown): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** `filters` as clients send them. */
export function filters(values: Readonly<Record<string, readonly string[]>>): string {
  return `filters=${encodeURIComponent(JSON.stringify(values))}`;
}
