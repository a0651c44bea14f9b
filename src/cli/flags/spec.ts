// What a flag is: name, kind, default, help text. Values are read in flags/values.ts, argv in flags/parse.ts.

/** `bool` takes no value unless `=value`; `list` keeps every occurrence; `strings` also splits each at commas. */
export type FlagKind =
  | "bool"
  | "string"
  | "int"
  | "uint16"
  | "uint"
  | "duration"
  | "bytes"
  | "decimal"
  | "list"
  | "strings"
  | "map"
  | "filter"
  | "mount"
  | "network"
  | "ulimit"
  | "gpu-request";

export interface FlagSpec {
  readonly name: string;
  readonly kind: FlagKind;
  readonly usage: string;
  readonly short?: string;
  /** Shown in help and used when the flag is absent, in the spelling of the command line. */
  readonly initial?: string;
  /** A default that only help shows. */
  readonly shownInitial?: string;
  readonly hidden?: boolean;
  /** Told on stderr at use. */
  readonly deprecated?: string;
  /** The first API version that knows it, such as "1.43". */
  readonly since?: string;
  /** Another flag whose values this one adds to (`--net` and `--network`). */
  readonly sameAs?: string;
  /** Checks one occurrence and gives it back in normal form, or throws what is wrong with it. */
  readonly check?: (text: string) => string;
}

type Extras = Omit<FlagSpec, "name" | "kind" | "usage">;

const maker =
  (kind: FlagKind) =>
  (name: string, usage: string, extras: Extras = {}): FlagSpec => ({ name, kind, usage, ...extras });

export const bool = maker("bool");
export const text = maker("string");
export const int = maker("int");
export const uint16 = maker("uint16");
export const uint = maker("uint");
export const duration = maker("duration");
export const bytes = maker("bytes");
export const decimal = maker("decimal");
export const list = maker("list");
export const strings = maker("strings");
export const map = maker("map");
export const filter = maker("filter");
/** A flag of a kind that few commands have. */
export const custom = (kind: FlagKind, name: string, usage: string, extras: Extras = {}): FlagSpec =>
  maker(kind)(name, usage, extras);

/** Kinds that keep every occurrence; of the others the last one counts. */
export function isRepeatable(kind: FlagKind): boolean {
  switch (kind) {
    case "list":
    case "strings":
    case "map":
    case "filter":
    case "mount":
    case "network":
    case "ulimit":
    case "gpu-request":
      return true;
    default:
      return false;
  }
}

const formatHelp = `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`;

const inspectFormatHelp = `Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`;

/** `--format` of the lists. */
export const formatFlag = text("format", formatHelp);
/** `-f, --format` of the inspections. */
export const inspectFormatFlag = text("format", inspectFormatHelp, { short: "f" });
/** `--format` of the streams, which have no tables. */
export const streamFormatFlag = text("format", inspectFormatHelp);
/** `--platform`; `initial` is what DOCKER_DEFAULT_PLATFORM says. */
export const platformFlag = (initial: string | undefined): FlagSpec =>
  text("platform", "Set platform if server is multi-platform capable", {
    since: "1.32",
    ...(initial ? { initial } : {}),
  });
