// Times of requests and answers.

import { expect, test } from "vitest";
import { formatTime, humanDuration, parseTime } from "../../../src/api/time.ts";

const now = new Date("2026-11-01T12:00:00Z");
const nanos = (text: string) => BigInt(Date.parse(text)) * 1_000_000n;

test.each([
  ["1700000000", 1_700_000_000_000_000_000n],
  ["1700000000.5", 1_700_000_000_500_000_000n],
  ["1700000000.000000005", 1_700_000_000_000_000_005n],
  ["2026-11-01T10:00:00Z", nanos("2026-11-01T10:00:00Z")],
  ["2026-11-01T10:00:00.123456789Z", nanos("2026-11-01T10:00:00Z") + 123_456_789n],
  ["2026-11-01T10:00:00+02:00", nanos("2026-11-01T08:00:00Z")],
  ["2026-11-01T10:05", nanos("2026-11-01T10:05:00Z")],
  ["2026-11-01", nanos("2026-11-01T00:00:00Z")],
  ["10m", nanos("2026-11-01T11:50:00Z")],
  ["1h30m", nanos("2026-11-01T10:30:00Z")],
  ["24h", nanos("2026-10-31T12:00:00Z")],
])("%s is a time", (text, expected) => {
  expect(parseTime(text, now)).toBe(expected);
});

test.each(["soon", "10", "1.1234567890", "10x", "2026-13-01", "", "m"])("%j", (text) => {
  expect(parseTime(text, now)).toBe(text === "10" ? 10_000_000_000n : undefined);
});

test.each([
  [999, "Less than a second"],
  [1000, "1 second"],
  [46_000, "46 seconds"],
  [60_000, "About a minute"],
  [150_000, "2 minutes"],
  [3_600_000, "About an hour"],
  [3 * 3_600_000, "3 hours"],
  [47 * 3_600_000, "47 hours"],
  [3 * 86_400_000, "3 days"],
  [15 * 86_400_000, "2 weeks"],
  [90 * 86_400_000, "3 months"],
  [800 * 86_400_000, "2 years"],
])("%d ms are %s", (millis, words) => {
  expect(humanDuration(millis)).toBe(words);
});

test("a time is shown without needless zeros, and a missing one as Go's zero", () => {
  expect(formatTime(new Date("2026-11-01T10:00:00.120Z"))).toBe("2026-11-01T10:00:00.12Z");
  expect(formatTime(new Date("2026-11-01T10:00:00Z"))).toBe("2026-11-01T10:00:00Z");
  expect(formatTime(new Date("2026-11-01T10:00:10Z"))).toBe("2026-11-01T10:00:10Z");
  expect(formatTime(undefined)).toBe("0001-01-01T00:00:00Z");
});
