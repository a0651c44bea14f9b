// Times and durations in the forms that Docker's clients write and read.

const nanosPerSecond = 1_000_000_000n;

/** What Go prints for a time that was never set. */
export const zeroTime = "0001-01-01T00:00:00Z";

/** RFC 3339 with the fraction that the date has; Go's zero time when there is none. */
export function formatTime(date: Date | undefined): string {
  return date ? date.toISOString().replace(/\.?0+Z$/, "Z") : zeroTime;
}

/**
 * Nanoseconds since 1970 of `1700000000`, `1700000000.000000005`, RFC 3339 (zone and time of day may be missing), or a Go
 * duration (`10m`, `1h30m`) before `now`; undefined when it is none of these.
 */
export function parseTime(text: string, now: Date): bigint | undefined {
  const unix = /^(-?[0-9]+)(?:\.([0-9]{1,9}))?$/.exec(text);
  if (unix) return BigInt(unix[1] ?? "0") * nanosPerSecond + fraction(unix[2]);
  const ago = parseDurationNs(text);
  if (ago !== undefined) return BigInt(now.getTime()) * 1_000_000n - ago;
  return parseRfc3339(text);
}

function parseRfc3339(text: string): bigint | undefined {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}(?::\d{2}(?::\d{2})?)?)(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  if (!match) return undefined;
  const [, day, clock = "00:00:00", digits, zone = "Z"] = match;
  const full = clock.padEnd(8, ":00").replace(/^(\d{2}):00(\d{2})?$/, "$1:00:00");
  const millis = Date.parse(`${day}T${full}${zone}`);
  return Number.isNaN(millis) ? undefined : BigInt(millis) * 1_000_000n + fraction(digits);
}

function fraction(digits: string | undefined): bigint {
  return BigInt((digits ?? "").padEnd(9, "0"));
}

const unitNs = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: nanosPerSecond,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n,
};

function parseDurationNs(text: string): bigint | undefined {
  if (!/^([0-9]+(h|ms|m|s|us|ns))+$/.test(text)) return undefined;
  const parts = text.matchAll(/([0-9]+)(h|ms|m|s|us|ns)/g);
  return [...parts].reduce(
    (sum, [, count = "0", unit]) => sum + BigInt(count) * unitNs[unit as keyof typeof unitNs],
    0n,
  );
}

/** A span in words, as go-units' HumanDuration has it: `3 seconds`, `About an hour`, `2 weeks`. */
export function humanDuration(millis: number): string {
  const seconds = Math.floor(millis / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(millis / 3_600_000 + 0.5);
  const step = humanSteps.find(([below]) => below(seconds, minutes, hours));
  return step ? step[1](seconds, minutes, hours) : `${Math.floor(hours / 24 / 365)} years`;
}

type Spans = readonly [seconds: number, minutes: number, hours: number];

const humanSteps: readonly [(...it: Spans) => boolean, (...it: Spans) => string][] = [
  [(s) => s < 1, () => "Less than a second"],
  [(s) => s === 1, () => "1 second"],
  [(s) => s < 60, (s) => `${s} seconds`],
  [(_s, m) => m === 1, () => "About a minute"],
  [(_s, m) => m < 60, (_s, m) => `${m} minutes`],
  [(_s, _m, h) => h === 1, () => "About an hour"],
  [(_s, _m, h) => h < 48, (_s, _m, h) => `${h} hours`],
  [(_s, _m, h) => h < 24 * 7 * 2, (_s, _m, h) => `${Math.floor(h / 24)} days`],
  [(_s, _m, h) => h < 24 * 30 * 2, (_s, _m, h) => `${Math.floor(h / 24 / 7)} weeks`],
  [(_s, _m, h) => h < 24 * 365 * 2, (_s, _m, h) => `${Math.floor(h / 24 / 30)} months`],
];
