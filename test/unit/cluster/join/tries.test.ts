import { expect, test } from "vitest";
import { Tries } from "../../../../src/cluster/join/tries.ts";

test("five wrong tries make an address wait a minute, and no other address", () => {
  let now = 0;
  const tries = new Tries(() => now);
  for (let count = 0; count < 5; count++) {
    expect(tries.wait("192.0.2.66")).toBe(0);
    tries.count("192.0.2.66");
  }
  expect(tries.wait("192.0.2.66")).toBe(60_000);
  expect(tries.wait("192.0.2.67")).toBe(0);
  now = 59_999;
  expect(tries.wait("192.0.2.66")).toBe(1);
  now = 60_000;
  expect(tries.wait("192.0.2.66")).toBe(0);
});

test("the right one wipes the slate", () => {
  const tries = new Tries(() => 0);
  for (let count = 0; count < 5; count++) tries.count("192.0.2.66");
  tries.forget("192.0.2.66");
  expect(tries.wait("192.0.2.66")).toBe(0);
});

test("guessing from many addresses forgets the oldest first", () => {
  const tries = new Tries(() => 0);
  const guess = (address: string) => {
    for (let count = 0; count < 5; count++) tries.count(address);
  };
  guess("first");
  for (let index = 0; index < 1023; index++) guess(`2001:db8::${index.toString(16)}`);
  expect(tries.wait("first")).toBe(60_000);
  guess("one more");
  expect(tries.wait("first")).toBe(0);
  expect(tries.wait("one more")).toBe(60_000);
});
