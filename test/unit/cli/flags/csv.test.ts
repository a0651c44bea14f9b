// Values in one flag, as Go's encoding/csv splits them.

import { describe, expect, it } from "vitest";
import { parseCsvLine } from "../../../../src/cli/flags/csv.ts";

describe("a line of comma-separated values", () => {
  it.each([
    ["a", ["a"]],
    ["a,b", ["a", "b"]],
    ["a,,b,", ["a", "", "b", ""]],
    ['"a,b",c', ["a,b", "c"]],
    ['"say ""hi""",x', ['say "hi"', "x"]],
  ])("splits %j", (line, fields) => {
    expect(parseCsvLine(line)).toEqual(fields);
  });

  it("refuses stray and open quotes", () => {
    expect(() => parseCsvLine('a"b')).toThrow('bare " in non-quoted field');
    expect(() => parseCsvLine('"a')).toThrow('extraneous or missing " in quoted-field');
    expect(() => parseCsvLine('"a"b')).toThrow('extraneous or missing " in quoted-field');
  });
});
