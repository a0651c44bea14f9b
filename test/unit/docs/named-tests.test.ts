// The tables of features and of guards name tests: those exist.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const project = join(import.meta.dirname, "..", "..", "..");
const textOf = (path: string) => readFileSync(join(project, path), "utf8");

/** Rows of all tables but their heads, as cells. */
function rowsOf(path: string): string[][] {
  const lines = textOf(path).split("\n");
  const bodies = lines.filter((line, at) => line.startsWith("| ") && !/^\|-/.test(lines[at + 1] ?? ""));
  return bodies.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** Every `test/…` of a text with the titles in quotes behind it. */
function namedTests(text: string): { readonly file: string; readonly titles: readonly string[] }[] {
  return text
    .split("`test/")
    .slice(1)
    .map((part) => {
      const [file = "", rest = ""] = part.split("`", 2);
      return {
        file: `test/${file}`,
        titles: [...rest.matchAll(/"([^"]+)"/g)].map(([, title]) => title ?? ""),
      };
    });
}

describe.each(["docs/features.md", "docs/security.md"])("%s", (path) => {
  test("names a test in every row, and each of them is there", () => {
    const rows = rowsOf(path);
    expect(rows.length).toBeGreaterThan(20);
    const without = rows.filter((cells) => namedTests(cells.at(-1) ?? "").length === 0);
    expect(without).toEqual([]);
    const files = namedTests(textOf(path)).map(({ file }) => file);
    expect(files.filter((file) => !existsSync(join(project, file)))).toEqual([]);
  });

  test("has the titles that it quotes from there", () => {
    const quoted = namedTests(
      rowsOf(path)
        .map((cells) => cells.at(-1))
        .join("\n"),
    );
    const missing = quoted.flatMap(({ file, titles }) => {
      const source = textOf(file);
      return titles.filter((title) => !source.includes(title)).map((title) => `${file}: ${title}`);
    });
    expect(missing).toEqual([]);
  });
});
