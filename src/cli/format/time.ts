// Times as Go prints them, in the local zone.

const two = (n: number) => String(n).padStart(2, "0");

/** Minutes east of UTC at a moment, of the zone this process runs in. */
const offsetMinutes = (date: Date) => -date.getTimezoneOffset();

function zoneOffset(date: Date, colon: string): string {
  const minutes = offsetMinutes(date);
  const absolute = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.trunc(absolute / 60))}${colon}${two(absolute % 60)}`;
}

function zoneName(date: Date): string {
  if (offsetMinutes(date) === 0) return "UTC";
  const name = /\(([^)]+)\)/.exec(date.toString())?.[1] ?? "";
  const short = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
    .formatToParts(date)
    .find((part) => part.type === "timeZoneName")?.value;
  return short && !short.startsWith("GMT")
    ? short
    : (name.match(/\b[A-Z]/g)?.join("") ?? zoneOffset(date, ""));
}

function dateAndTime(date: Date, separator: string): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}${separator}${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2024-01-31 12:00:00 +0100 CET`, the form of Go's Time.String. */
export function goTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  return `${dateAndTime(date, " ")} ${zoneOffset(date, "")} ${zoneName(date)}`;
}

/** RFC 3339 in local time, seconds only. */
export function rfc3339(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  return `${dateAndTime(date, "T")}${offsetMinutes(date) === 0 ? "Z" : zoneOffset(date, ":")}`;
}

/** RFC 3339 in local time with nine digits of fraction. */
export function rfc3339Nano(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n));
  const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, "0");
  return `${dateAndTime(date, "T")}.${fraction}${offsetMinutes(date) === 0 ? "Z" : zoneOffset(date, ":")}`;
}

/** Go's Time.String of an RFC 3339 text: its own zone, trailing zeros of the fraction dropped. */
export function goTimeOf(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return text;
  const [, day, time, digits = "", zone = "Z"] = match;
  const fraction = digits.replace(/0+$/, "");
  const offset = zone === "Z" ? "+0000" : zone.replace(":", "");
  return `${day} ${time}${fraction === "" ? "" : `.${fraction}`} ${offset} ${zone === "Z" ? "UTC" : offset}`;
}

/** "Mon Jan  2 15:04:05 2006", Go's ANSIC, of an RFC 3339 text; what is no time stays. */
export function ansiTime(text: string): string {
  const date = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(date.getTime())) return text;
  const day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][date.getUTCDay()];
  const month = date.toLocaleString("en-US", { month: "short", timeZone: "UTC" });
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${month} ${String(date.getUTCDate()).padStart(2)} ${time} ${date.getUTCFullYear()}`;
}

/** A time of the command line as the API takes it: a span back from now (10m), RFC 3339, a day, or Unix seconds. */
export function apiTime(text: string, parseSpan: (text: string) => number): string {
  if (text === "" || /^-?\d+(\.\d+)?$/.test(text)) return text;
  try {
    return unixNanos(BigInt(Date.now()) * 1_000_000n - BigInt(parseSpan(text)));
  } catch {
    // no span: then it must be a date
    return parseDate(text);
  }
}

function unixNanos(nanos: bigint): string {
  const seconds = nanos / 1_000_000_000n;
  return `${seconds}.${String(nanos % 1_000_000_000n).padStart(9, "0")}`;
}

function parseDate(text: string): string {
  const match =
    /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (!match) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  const [, day, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = match;
  const seconds = new Date(`${day}T${hour}:${minute}:${second}${zone}`).getTime() / 1000;
  return `${seconds}.${fraction.padEnd(9, "0")}`;
}
