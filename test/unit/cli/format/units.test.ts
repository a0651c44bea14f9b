// Sizes and durations for people.

import { describe, expect, it } from "vitest";
import { binarySize, humanDuration, humanSize } from "../../../../src/cli/format/units.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

describe("units", () => {
  it.each([
    [0, "0B"],
    [999, "999B"],
    [1000, "1kB"],
    [1023, "1.023kB"],
    [1_980_416, "1.98MB"],
    [187_654_321, "187.7MB"],
    [5e9, "5GB"],
  ])("%i bytes are %s", (bytes, text) => {
    expect(humanSize(bytes)).toBe(text);
  });

  it("rounds to three digits for lists", () => {
    expect(humanSize(187_654_321, 3)).toBe("188MB");
    expect(humanSize(999_999, 3)).toBe("1e+03kB");
  });

  it.each([
    [0, "0B"],
    [1024, "1KiB"],
    [471_040, "460KiB"],
    [25_275_187_200, "23.54GiB"],
  ])("%i bytes are %s in powers of two", (bytes, text) => {
    expect(binarySize(bytes)).toBe(text);
  });

  it.each([
    [999, "Less than a second"],
    [second, "1 second"],
    [59 * second, "59 seconds"],
    [minute, "About a minute"],
    [2 * minute, "2 minutes"],
    [59 * minute, "59 minutes"],
    [hour, "About an hour"],
    [100 * minute, "2 hours"],
    [47 * hour, "47 hours"],
    [3 * day, "3 days"],
    [15 * day, "2 weeks"],
    [90 * day, "3 months"],
    [800 * day, "2 years"],
    [-5000, "Less than a second"],
  ])("%i ms are %s", (ms, text) => {
    expect(humanDuration(ms)).toBe(text);
  });
});
