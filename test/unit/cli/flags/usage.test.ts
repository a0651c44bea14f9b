// The table of flags in help texts.

import { describe, expect, it } from "vitest";
import { bool, custom, filter, int, list, map, text } from "../../../../src/cli/flags/spec.ts";
import { flagUsages } from "../../../../src/cli/flags/usage.ts";

describe("a table of flags", () => {
  it("is sorted, aligned, and shows types and defaults that are not zero", () => {
    const table = flagUsages(
      [
        text("pull", "Pull image", { initial: "missing" }),
        bool("all", "Show all", { short: "a" }),
        int("last", "Show n", { short: "n", initial: "-1" }),
        bool("sig-proxy", "Proxy", { initial: "true" }),
        map("opt", "Options", { short: "o" }),
        custom("ulimit", "ulimit", "Ulimits"),
        list("env", "Variables", { hidden: true }),
      ],
      79,
    );
    expect(table.split("\n")).toEqual([
      "  -a, --all             Show all",
      "  -n, --last int        Show n (default -1)",
      "  -o, --opt map         Options (default map[])",
      '      --pull string     Pull image (default "missing")',
      "      --sig-proxy       Proxy (default true)",
      "      --ulimit ulimit   Ulimits (default [])",
    ]);
  });

  it("wraps long texts under their column", () => {
    const table = flagUsages(
      [
        int("last", "Show n last created containers (includes all states)", { initial: "-1" }),
        filter("filter", "x"),
      ],
      60,
    );
    expect(table.split("\n")).toEqual([
      "      --filter filter   x",
      "      --last int        Show n last created containers",
      "                        (includes all states) (default -1)",
    ]);
  });

  it("keeps the line breaks of a text", () => {
    expect(flagUsages([text("format", "First:\n'a': b")], 79).split("\n")).toEqual([
      "      --format string   First:",
      "                        'a': b",
    ]);
  });
});
