// What owners want, and the difference between two wishes.

import { expect, test } from "vitest";
import { type Before, Ledger } from "../../../src/firewall/ledger.ts";
import { bridge, publish } from "./rules.ts";

const p80 = publish("8080", "10.1.0.2", "80");
const p81 = publish("8080", "10.1.0.2", "81");

function ledgerWith(...rules: Parameters<Ledger["set"]>[1]) {
  const ledger = new Ledger();
  ledger.set("first", rules, new Map());
  return ledger;
}

test("what an owner sets replaces all that it wanted before", () => {
  const ledger = ledgerWith(bridge("br1"), p80);
  const before: Before = new Map();
  ledger.set("first", [bridge("br1"), bridge("br2")], before);
  expect(ledger.changeSince(before)).toEqual({ removed: [p80], added: [bridge("br2")] });
  expect(ledger.rules()).toEqual([bridge("br1"), bridge("br2")]);
});

test("rules are in one order, whichever came first", () => {
  const rules = [bridge("br2"), p80, bridge("br1"), publish("53", "10.1.0.2", "53")];
  const expected = ledgerWith(...rules).rules();
  expect(expected.map(({ kind }) => kind)).toEqual(["bridge", "bridge", "publish", "publish"]);
  expect(ledgerWith(...rules.toReversed()).rules()).toEqual(expected);
});

test("the same wish again changes nothing", () => {
  const ledger = ledgerWith(bridge("br1"), p80);
  const before: Before = new Map();
  ledger.set("first", [p80, bridge("br1")], before);
  expect(before.size).toBe(0);
  expect(ledger.changeSince(before)).toEqual({ removed: [], added: [] });
});

test("a rule that changed goes and comes", () => {
  const ledger = ledgerWith(p80);
  const before: Before = new Map();
  ledger.set("first", [p81], before);
  expect(ledger.changeSince(before)).toEqual({ removed: [p80], added: [p81] });
});

test("a rule that came and went between two transactions is no change", () => {
  const ledger = ledgerWith();
  const before: Before = new Map();
  ledger.set("first", [p80], before);
  ledger.set("first", [], before);
  expect(ledger.changeSince(before)).toEqual({ removed: [], added: [] });
});

test("a rule may pass from one owner to another within a transaction", () => {
  const ledger = ledgerWith(p80);
  const before: Before = new Map();
  ledger.set("first", [], before);
  ledger.set("second", [p81], before);
  expect(ledger.changeSince(before)).toEqual({ removed: [p80], added: [p81] });
});

test("two owners never hold the same key, and a refused wish leaves the owner's old one", () => {
  const ledger = ledgerWith(p80);
  ledger.set("second", [bridge("br2")], new Map());
  expect(() => ledger.set("second", [bridge("br3"), p81], new Map())).toThrow(
    expect.objectContaining({
      kind: "conflict",
      message: "set firewall rules of second: publish 0.0.0.0:8080/tcp is already held by first",
    }),
  );
  expect(ledger.rules()).toEqual([bridge("br2"), p80]);
});

test("0.0.0.0 and no host address are the same key", () => {
  const ledger = ledgerWith(p80);
  expect(() => ledger.set("second", [publish("8080", "10.1.0.3", "80", "0.0.0.0")], new Map())).toThrow(
    "already held",
  );
});

test("one owner may not want two things of one key", () => {
  expect(() => ledgerWith(p80, p81)).toThrow(expect.objectContaining({ kind: "invalid" }));
  expect(ledgerWith(p80, p80).rules()).toEqual([p80]);
});

test("port ranges of different sizes and addresses of different families are refused", () => {
  expect(() => ledgerWith(publish("8080-8081", "10.1.0.2", "80"))).toThrow(
    "publish 0.0.0.0:8080-8081/tcp: host and container port ranges differ in size",
  );
  expect(() => ledgerWith(publish("80", "10.1.0.2", "80", "2001:db8::1"))).toThrow(
    "publish [2001:db8::1]:80/tcp: host and container address differ in family",
  );
});

test("the way back restores the owner's rules and frees the keys", () => {
  const ledger = ledgerWith(p80);
  const undo = ledger.set("first", [bridge("br1")], new Map());
  undo();
  expect(ledger.rules()).toEqual([p80]);
  ledger.set("second", [bridge("br1")], new Map());
  expect(() => ledger.set("second", [p81], new Map())).toThrow("already held by first");
});
