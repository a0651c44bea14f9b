// Withdrawals that fail, and are made again.

import { describe, expect, test } from "vitest";
import { Withdrawals } from "../../../src/daemon/withdrawals.ts";
import type { Host, Rule } from "../../../src/driverapi/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import { silentLog } from "../../../src/util/log.ts";

const target = parseAddress("192.0.2.2");
if (!target) throw new Error("not an address");
const rule: Rule = {
  kind: "allow",
  link: "br1",
  target,
  protocol: "tcp",
  targetPorts: { first: 80, last: 80 },
};

/** A firewall and ports that note what they are told; the firewall refuses while it is told to. */
function world() {
  const told: string[] = [];
  let refuses = false;
  const firewall: Host["firewall"] = {
    backend: "none",
    describe: () => [],
    set: async (owner, rules) => {
      told.push(`${owner}: ${rules.length}`);
      if (refuses) throw new Error("no");
    },
  };
  const ports: Host["ports"] = {
    reserve: async () => {
      told.push("reserve");
      return [];
    },
  };
  const withdrawals = new Withdrawals(silentLog);
  return {
    told,
    refuse: (on: boolean) => {
      refuses = on;
    },
    firewall: withdrawals.firewall(firewall),
    ports: withdrawals.ports(ports),
  };
}

describe("a withdrawal that failed", () => {
  test("is made again before the next change, and once", async () => {
    const { told, refuse, firewall } = world();
    refuse(true);
    await expect(firewall.set("a", [])).rejects.toThrow("no");
    refuse(false);
    await firewall.set("b", [rule]);
    await firewall.set("c", [rule]);
    expect(told).toEqual(["a: 0", "a: 0", "b: 1", "c: 1"]);
  });

  test("is made again before a port is reserved", async () => {
    const { told, refuse, firewall, ports } = world();
    refuse(true);
    await expect(firewall.set("a", [])).rejects.toThrow("no");
    refuse(false);
    await ports.reserve([]);
    expect(told).toEqual(["a: 0", "a: 0", "reserve"]);
  });

  test("is tried until it succeeds, and keeps nobody else from changing", async () => {
    const { told, refuse, firewall, ports } = world();
    refuse(true);
    await expect(firewall.set("a", [])).rejects.toThrow("no");
    await ports.reserve([]);
    refuse(false);
    await ports.reserve([]);
    await ports.reserve([]);
    expect(told).toEqual(["a: 0", "a: 0", "reserve", "a: 0", "reserve", "reserve"]);
  });

  test("is forgotten when its owner wishes something again", async () => {
    const { told, refuse, firewall } = world();
    refuse(true);
    await expect(firewall.set("a", [])).rejects.toThrow("no");
    refuse(false);
    await firewall.set("a", [rule]);
    await firewall.set("b", [rule]);
    expect(told).toEqual(["a: 0", "a: 1", "b: 1"]);
  });
});

test("a wish that failed is not made again: whoever had it was told", async () => {
  const { told, refuse, firewall } = world();
  refuse(true);
  await expect(firewall.set("a", [rule])).rejects.toThrow("no");
  refuse(false);
  await firewall.set("b", [rule]);
  expect(told).toEqual(["a: 1", "b: 1"]);
});
