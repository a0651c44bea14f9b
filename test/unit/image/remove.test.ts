// What removing an image by a name takes along.

import { expect, it } from "vitest";
import { parseReference } from "../../../src/image/reference.ts";
import { isSingleReference } from "../../../src/image/remove.ts";

const digest = `@sha256:${"a".repeat(64)}`;
const other = `@sha256:${"b".repeat(64)}`;

it.each([
  [[], true],
  [["a:1"], true],
  [["a:1", "a:2"], false],
  [["a:1", "b:1"], false],
  [["a:1", `a${digest}`], true],
  [["a:1", `a${digest}`, `a${other}`], true],
  [["a:1", `b${digest}`], false],
  [[`a${digest}`, `a${other}`], true],
  [[`a${digest}`, `b${digest}`], false],
])("counts %j as names of one repository: %s", (names, isSingle) => {
  expect(isSingleReference(names.map(parseReference))).toBe(isSingle);
});
