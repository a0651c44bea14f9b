// The order in which ports are tried.

import { expect, test } from "vitest";
import { portsOf, rotated } from "../../../src/ports/candidates.ts";

const range = { first: 100, last: 104 };

test("a range is tried from its lowest port on", () => {
  expect([...portsOf(range)]).toEqual([100, 101, 102, 103, 104]);
});

test("the ephemeral range goes on behind the last port found, and round", () => {
  expect([...rotated(range, 99, [])]).toEqual([100, 101, 102, 103, 104]);
  expect([...rotated(range, 102, [])]).toEqual([103, 104, 100, 101, 102]);
  expect([...rotated(range, 104, [])]).toEqual([100, 101, 102, 103, 104]);
});

test("reserved ports are left out", () => {
  const reserved = [
    { first: 100, last: 101 },
    { first: 104, last: 104 },
  ];
  expect([...rotated(range, 102, reserved)]).toEqual([103, 102]);
});
