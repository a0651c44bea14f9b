// How many questions may wait for an answer from outside.

import { expect, test } from "vitest";
import { hasRoom } from "../../../src/proxy/resolver.ts";

test("20,000 of one sandbox alone, and no more than half of all", () => {
  expect(hasRoom(20_000, 20_000)).toBe(true);
  expect(hasRoom(20_480, 20_480)).toBe(false);
});

test("a sandbox that begins has room beside any number of floods", () => {
  for (const floods of [1, 2, 5, 20]) {
    const waiting = Array.from({ length: floods }, () => 0);
    const all = () => waiting.reduce((sum, own) => sum + own, 0);
    for (let round = 0; round < 25_000; round++)
      for (const [at, own] of waiting.entries()) if (hasRoom(own, all())) waiting[at] = own + 1;
    expect(Math.max(...waiting) - Math.min(...waiting)).toBeLessThanOrEqual(1);
    expect(hasRoom(900, all() + 900)).toBe(true);
  }
});
