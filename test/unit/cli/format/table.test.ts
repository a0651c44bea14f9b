// Columns and ellipses.

import { describe, expect, it } from "vitest";
import { alignColumns, displayWidth, ellipsis } from "../../../../src/cli/format/table.ts";

describe("a table", () => {
  it("gives a column its widest cell, three blanks, ten columns at the least", () => {
    expect(alignColumns("ID\tNAME\nabc\tx\n")).toBe("ID        NAME\nabc       x\n");
    expect(alignColumns("NETWORK ID\tNAME\n51bd19c79e4f\thost\n")).toBe(
      "NETWORK ID     NAME\n51bd19c79e4f   host\n",
    );
  });

  it("does not pad the last cell, and keeps empty ones", () => {
    expect(alignColumns("A\tB\tC\nx\t\tz\n")).toBe("A         B         C\nx                   z\n");
  });

  it("measures a column anew after a line that has it not", () => {
    const text = alignColumns("aaaaaaaaaaaaaaa\tb\nplain\ncc\td\n");
    expect(text).toBe("aaaaaaaaaaaaaaa   b\nplain\ncc        d\n");
  });

  it("counts wide characters twice", () => {
    expect(displayWidth("日本x")).toBe(5);
    expect(alignColumns("日本語日本語\tb\nx\ty\n")).toBe("日本語日本語   b\nx              y\n");
  });
});

describe("an ellipsis", () => {
  it.each([
    ["short", 20, "short"],
    ["exactly ten", 11, "exactly ten"],
    ["something longer", 10, "something…"],
    ["日本語日本語", 6, "日本…"],
    ["ab", 1, "a"],
    ["ab", 0, ""],
  ])("of %j in %i columns is %j", (text, width, cut) => {
    expect(ellipsis(text, width)).toBe(cut);
  });
});
