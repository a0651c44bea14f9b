// Filters of image lists.

import { describe, expect, it } from "vitest";
import { matchesReference, untilSeconds } from "../../../src/image/list.ts";

describe("reference patterns", () => {
  it.each([
    ["nginx:latest", "nginx", true],
    ["nginx:latest", "nginx:latest", true],
    ["nginx:latest", "nginx:*", true],
    ["nginx:latest", "ng*", true],
    ["nginx:latest", "*", true],
    ["nginx:latest", "gin", false],
    ["nginx:latest", "nginx:1*", false],
    ["a/nginx:1", "*", false],
    ["a/nginx:1", "*/*", true],
    ["a/nginx:1", "a/nginx", true],
    ["localhost:5000/x:1", "localhost:5000/?:[0-9]", true],
    ["localhost:5000/x:1", "localhost:5000/x:[^0-9]", false],
    ["a.b/c:1", "a?b/c", true],
    ["axb/c:1", "a.b/c", false],
    ["nginx:1", "ng\\*", false],
  ])("%s against %s: %s", (name, pattern, expected) => {
    expect(matchesReference(name, pattern)).toBe(expected);
  });
});

describe("until", () => {
  it.each([
    ["1700000000", 1_700_000_000],
    ["10m", 400],
    ["1h30m", -4400],
    ["2023-11-14T22:13:20Z", 1_700_000_000],
  ])("reads %s", (text, seconds) => {
    expect(untilSeconds(text, 1_000_000)).toBe(seconds);
  });

  it("refuses what is no time", () => {
    expect(() => untilSeconds("soon")).toThrow("invalid filter 'until=soon'");
  });
});
