// Group commit: which wishes go into which transaction, and what a failure does.

import { expect, test } from "vitest";
import type { Backend } from "../../../src/firewall/backend.ts";
import { firewallOn } from "../../../src/firewall/index.ts";
import type { RuleChange } from "../../../src/firewall/ledger.ts";
import type { Rule } from "../../../src/firewall/rules.ts";
import { bridge, publish } from "./rules.ts";

/** Notes what it is told; `hold` makes transactions wait, `refuse` says which fail. */
function fakeBackend() {
  const told: string[] = [];
  let gate: Promise<void> = Promise.resolve();
  const fake = {
    told,
    isIntact: false,
    changed: () => undefined as unknown,
    refuse: (_: RuleChange) => false,
    refusal: new Error("no such device"),
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
  const backend: Backend = {
    name: "nftables",
    restore: async (rules) => {
      if (fake.isIntact) return false;
      told.push(`restore ${names(rules)}`);
      return true;
    },
    apply: async (change) => {
      await gate;
      told.push(`-${names(change.removed)} +${names(change.added)}`);
      if (fake.refuse(change)) throw fake.refusal;
    },
    watch: async (changed) => {
      fake.changed = changed;
      return { [Symbol.dispose]: () => void told.push("unwatch") };
    },
    remove: async () => void told.push("remove"),
    close: async () => void told.push("close"),
  };
  return { fake, backend };
}

const names = (rules: readonly Rule[]) =>
  rules.map((rule) => ("link" in rule ? rule.link : rule.kind)).join();

async function started() {
  const { fake, backend } = fakeBackend();
  let repairs = 0;
  const firewall = firewallOn(backend, { onRepaired: () => repairs++ });
  await firewall.start();
  fake.isIntact = true;
  fake.told.length = 0;
  return { fake, firewall, repairs: () => repairs };
}

test("wishes before the start are collected and written in one go", async () => {
  const { fake, backend } = fakeBackend();
  const firewall = firewallOn(backend);
  await firewall.set("a", [bridge("br1")]);
  await firewall.set("b", [bridge("br2")]);
  expect(fake.told).toEqual([]);
  await firewall.start();
  expect(fake.told).toEqual(["restore br1,br2"]);
});

test("calls that arrive while a transaction runs are merged into the next", async () => {
  const { fake, firewall } = await started();
  const release = fake.hold();
  const first = firewall.set("a", [bridge("br1")]);
  await Promise.resolve();
  const rest = ["b", "c", "d"].map((owner) => firewall.set(owner, [bridge(`br-${owner}`)]));
  release();
  await Promise.all([first, ...rest]);
  expect(fake.told.length).toBeLessThanOrEqual(2);
  expect(fake.told.join(" ")).toMatch(/br1.*br-b,br-c,br-d/);
});

test("a wish that changes nothing costs no transaction", async () => {
  const { fake, firewall } = await started();
  await firewall.set("a", [bridge("br1")]);
  await firewall.set("a", [bridge("br1")]);
  await firewall.set("nobody", []);
  expect(fake.told).toEqual(["- +br1"]);
});

test("when the kernel refuses a merged transaction only the bad wish fails", async () => {
  const { fake, firewall } = await started();
  fake.refuse = ({ added }) => names(added).includes("bad");
  const outcomes = await Promise.allSettled(
    ["br1", "bad", "br2"].map((link) => firewall.set(link, [bridge(link)])),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  await firewall.resync();
  fake.isIntact = false;
  expect(await firewall.resync()).toBe(true);
  expect(fake.told.at(-1)).toBe("restore br1,br2");
});

test("an owner whose wish was refused by the kernel keeps what it had", async () => {
  const { fake, firewall } = await started();
  await firewall.set("a", [bridge("br1")]);
  fake.refuse = () => true;
  await expect(firewall.set("a", [bridge("br2")])).rejects.toThrow("no such device");
  fake.refuse = () => false;
  await firewall.set("b", [bridge("br2")]);
  await expect(firewall.set("b", [bridge("br1")])).rejects.toMatchObject({ kind: "conflict" });
});

test("a conflict fails its own wish and none of those it was merged with", async () => {
  const { firewall } = await started();
  const outcomes = await Promise.allSettled([
    firewall.set("a", [publish("80", "10.1.0.2", "80")]),
    firewall.set("b", [publish("80", "10.1.0.3", "80")]),
    firewall.set("c", [publish("81", "10.1.0.3", "80")]),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("rules that somebody else changed are repaired and told of, once for many changes", async () => {
  const { fake, firewall, repairs } = await started();
  await firewall.set("a", [bridge("br1")]);
  fake.told.length = 0;
  fake.isIntact = false;
  for (let change = 0; change < 5; change++) fake.changed();
  await firewall.set("a", [bridge("br1")]); // waits behind the repair
  expect(fake.told).toEqual(["restore br1"]);
  expect(repairs()).toBe(1);
});

test("a change of what somebody has just taken away makes all of it, and is no failure", async () => {
  const { fake, firewall } = await started();
  fake.isIntact = false;
  fake.refuse = () => true;
  fake.refusal = Object.assign(new Error("no such table"), { code: "ENOENT" });
  await firewall.set("a", [bridge("br1")]);
  expect(fake.told).toEqual(["- +br1", "restore br1"]);
});

test("intact rules are left alone", async () => {
  const { fake, firewall } = await started();
  expect(await firewall.resync()).toBe(false);
  expect(fake.told).toEqual([]);
});

test("stop removes everything once, and what comes later is refused", async () => {
  const { fake, firewall } = await started();
  await firewall.stop();
  await firewall.stop();
  expect(fake.told).toEqual(["unwatch", "remove", "close"]);
  await expect(firewall.set("a", [])).rejects.toThrow("the firewall is closed");
});

test("close leaves the kernel as it is", async () => {
  const { fake, firewall } = await started();
  await firewall.close();
  expect(fake.told).toEqual(["unwatch", "close"]);
});
