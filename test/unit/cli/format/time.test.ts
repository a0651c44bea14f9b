// Times as Go and Docker write them.

import { describe, expect, it } from "vitest";
import { parseDuration } from "../../../../src/cli/flags/numbers.ts";
import { ansiTime, apiTime, goTimeOf, rfc3339Nano } from "../../../../src/cli/format/time.ts";

describe("times", () => {
  it("print as Go's do", () => {
    expect(goTimeOf("2026-01-02T03:04:05.120000000Z")).toBe("2026-01-02 03:04:05.12 +0000 UTC");
    expect(goTimeOf("2026-01-02T03:04:05+02:00")).toBe("2026-01-02 03:04:05 +0200 +0200");
    expect(ansiTime("2026-01-02T03:04:05.123Z")).toBe("Fri Jan  2 03:04:05 2026");
    expect(ansiTime("not a time")).toBe("not a time");
  });

  it("keep all nine digits of a fraction", () => {
    expect(rfc3339Nano(1_700_000_000_123_456_789n)).toMatch(/^2023-11-1\dT\d\d:\d\d:20\.123456789/);
  });

  it("are taken as Unix seconds, days, RFC 3339, or spans back from now", () => {
    expect(apiTime("1700000000.5", parseDuration)).toBe("1700000000.5");
    expect(apiTime("2020-01-01T00:00:00Z", parseDuration)).toBe("1577836800.000000000");
    expect(apiTime("2020-01-01T00:00:00.5Z", parseDuration)).toBe("1577836800.500000000");
    const ago = Number(apiTime("1h", parseDuration));
    expect(Math.abs(Date.now() / 1000 - 3600 - ago)).toBeLessThan(60);
    expect(() => apiTime("soon", parseDuration)).toThrow('failed to parse value as time or duration: "soon"');
  });
});
