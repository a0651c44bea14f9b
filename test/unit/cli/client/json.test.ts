// JSON as Go reads and writes it, numbers beyond 2^53 included.

import { describe, expect, it } from "vitest";
import { compactJson, indentJson, jsonStream, parseJson } from "../../../../src/cli/client/json.ts";
import { encodeJson } from "../../../../src/cli/template/encode.ts";

describe("JSON", () => {
  it("is laid out as Go's Indent does, numbers, escapes and order untouched", () => {
    const text = '{"b":1.0,"2":[],"a":{"x":"\\u003c {,}","y":{}},"l":[{"k":1},2],"e":1e400}';
    expect(indentJson(text, "  ")).toBe(`{
  "b": 1.0,
  "2": [],
  "a": {
    "x": "\\u003c {,}",
    "y": {}
  },
  "l": [
    {
      "k": 1
    },
    2
  ],
  "e": 1e400
}`);
  });

  it("comes back compact", () => {
    expect(compactJson('{ "a" : [ 1 , "x y" ] }\n')).toBe('{"a":[1,"x y"]}');
  });

  it("keeps 64-bit integers", () => {
    expect(parseJson('{"n":1763830000123456789,"m":5,"s":"1763830000123456789"}')).toEqual({
      n: 1763830000123456789n,
      m: 5,
      s: "1763830000123456789",
    });
    expect(encodeJson({ n: 1763830000123456789n }, { escapeHtml: false })).toBe('{"n":1763830000123456789}');
  });

  it("escapes for HTML where Go does", () => {
    expect(encodeJson("<&>\u2028", { escapeHtml: true })).toBe('"\\u003c\\u0026\\u003e\\u2028"');
  });

  it("is read from a stream however it is cut", async () => {
    const text = '{"a":1}\n{"b":"}{\\""}\r\n\x1e{"c":[{}]}{"d":"é"}';
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const pieces = async function* () {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      };
      const values: unknown[] = [];
      for await (const value of jsonStream(pieces())) values.push(value);
      expect(values).toEqual([{ a: 1 }, { b: '}{"' }, { c: [{}] }, { d: "é" }]);
    }
  });
});
