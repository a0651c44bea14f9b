// Bodies as Go decodes them.

import fc from "fast-check";
import { expect, test } from "vitest";
import { createContainerRequest } from "../../../src/api/schemas/container-config.ts";
import {
  boolean,
  integer,
  list,
  map,
  object,
  string,
  stringOrList,
} from "../../../src/api/schemas/decode.ts";
import { EngineError } from "../../../src/util/errors.ts";

const sample = object("Sample", {
  Name: string,
  Count: integer,
  IsOn: boolean,
  Words: list(string),
  ByName: map(object("Inner", { Value: integer })),
  Command: stringOrList,
});

test("keys in any case, the exact one too; unknown ones and nulls are left out", () => {
  const value = { name: "a", COUNT: 1, IsOn: null, words: ["x"], Other: { deep: true } };
  expect(sample.decode(value, "")).toEqual({ Name: "a", Count: 1, Words: ["x"] });
});

test("null inside lists and maps is the zero value, as in Go", () => {
  const value = { Words: ["a", null], ByName: { x: null, y: { value: 2 } } };
  expect(sample.decode(value, "")).toEqual({ Words: ["a", ""], ByName: { x: {}, y: { Value: 2 } } });
});

test("a command is a list or one string", () => {
  expect(sample.decode({ Command: "ls" }, "")).toEqual({ Command: ["ls"] });
  expect(sample.decode({ Command: ["ls", "-l"] }, "")).toEqual({ Command: ["ls", "-l"] });
});

test.each([
  [{ Name: 1 }, "json: cannot unmarshal number into Go struct field Sample.Name of type string"],
  [{ Count: "1" }, "json: cannot unmarshal string into Go struct field Sample.Count of type int64"],
  [{ Count: 1.5 }, "json: cannot unmarshal number 1.5 into Go struct field Sample.Count of type int64"],
  [{ Words: {} }, "json: cannot unmarshal object into Go struct field Sample.Words of type []string"],
  [{ Words: [1] }, "json: cannot unmarshal number into Go struct field Sample.Words of type string"],
  [
    { ByName: [] },
    "json: cannot unmarshal array into Go struct field Sample.ByName of type map[string]Inner",
  ],
  [
    { ByName: { x: { Value: true } } },
    "json: cannot unmarshal bool into Go struct field Sample.ByName.Value of type int64",
  ],
  ["text", "json: cannot unmarshal string into Go value of type Sample"],
  [[1], "json: cannot unmarshal array into Go value of type Sample"],
])("%j is refused in Go's words", (value, message) => {
  expect(() => sample.decode(value, "")).toThrow(message);
});

test("whatever JSON comes, it is read or refused as invalid, and nothing else happens", () => {
  const keys = fc.constantFrom("Image", "Cmd", "HostConfig", "NetworkingConfig", "Tty", "__proto__", "x");
  const body = fc.dictionary(keys, fc.jsonValue());
  fc.assert(
    fc.property(body, (value) => {
      try {
        createContainerRequest.decode(JSON.parse(JSON.stringify(value)), "");
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect(error).toMatchObject({ kind: "invalid" });
      }
    }),
  );
  expect(Object.prototype).not.toHaveProperty("Image");
});
