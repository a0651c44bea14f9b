// Lists: templates over rows, tables, JSON.

import { describe, expect, it } from "vitest";
import { compareNatural } from "../../../../src/cli/format/natural.ts";
import { joinLabels, writeRows } from "../../../../src/cli/format/rows.ts";
import { Caught } from "../fake-engine.ts";

const layout = { typeName: "*x.row", headers: { ID: "THE ID", Name: "NAME" } };
const rows = ["a", "b"].map((id) => ({
  ID: () => id,
  Name: () => `<${id}>`,
  Label: (name: string) => `${id}.${name}`,
}));

const written = (format: string) => {
  const out = new Caught();
  writeRows(out, format, layout, rows);
  return out.text;
};

describe("a list", () => {
  it("is a table with the headings of the fields it shows", () => {
    expect(written("table {{.ID}}\\t{{.Name}}")).toBe("THE ID    NAME\na         <a>\nb         <b>\n");
  });

  it("has a table's headings when nothing is in it", () => {
    const out = new Caught();
    writeRows(out, "table {{.ID}}\t{{.Name}}", layout, []);
    expect(out.text).toBe("THE ID    NAME\n");
  });

  it("leaves headings as they are whatever a function does to the cells", () => {
    expect(written("table {{.ID | upper}}\t{{truncate .Name 1}}")).toBe(
      "THE ID    NAME\nA         <\nB         <\n",
    );
  });

  it("heads a label's column by the end of its name", () => {
    expect(written('table {{.Label "com.example.my-key"}}').split("\n")[0]).toBe("my key");
  });

  it("is a line of text per row by a plain template", () => {
    expect(written("{{.ID}}-{{.Name}}")).toBe("a-<a>\nb-<b>\n");
  });

  it("is JSON lines of its plain fields, sorted, safe for HTML", () => {
    expect(written("json")).toBe(
      '{"ID":"a","Name":"\\u003ca\\u003e"}\n{"ID":"b","Name":"\\u003cb\\u003e"}\n',
    );
  });

  it("refuses an unknown field by its type", () => {
    expect(() => written("{{.Foo}}")).toThrow(
      'template parsing error: template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *x.row',
    );
  });
});

describe("order and labels", () => {
  it("puts numbers inside names by their value", () => {
    expect(["net10", "net2", "a", "net1"].toSorted(compareNatural)).toEqual(["a", "net1", "net2", "net10"]);
  });

  it("joins labels sorted", () => {
    expect(joinLabels({ b: "2", a: "", c: "x=y" })).toBe("a=,b=2,c=x=y");
    expect(joinLabels(null)).toBe("");
  });
});
