// What others take away of the firewall comes back by itself: told by the kernel, not looked for.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { OwnedFirewall } from "../../../src/firewall/index.ts";
import { type Host, Lab } from "../../conformance/firewall/lab.ts";
import { publish, usual } from "../../conformance/firewall/rules.ts";
import { everyStep } from "../steps.ts";
import { choices, rulesOf, startFirewall, withOwnLock } from "./world.ts";

// the lock of iptables-legacy is the machine's, and is let go of by tests beside this one too
const ears = vi.hoisted(() => ({ areOpen: true }));
vi.mock(import("../../../src/kernel/iptables/lock.ts"), async (original) => {
  const { watchIptablesLock } = await original();
  return {
    watchIptablesLock: (released, path) => watchIptablesLock(() => ears.areOpen && released(), path),
  };
});

let lab: Lab;
let host: Host;
let firewall: OwnedFirewall | undefined;
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
});
afterEach(async () => {
  const started = firewall;
  firewall = undefined;
  ears.areOpen = true;
  await everyStep(
    async () => await started?.stop(),
    () => lab[Symbol.asyncDispose](),
  );
});

const wish = usual(
  publish("8080", "172.20.1.2", "80"),
  publish("8080", "fd00:1::2", "80"),
  publish("20000-20999", "172.20.1.2", "20000-20999", { protocol: "udp" }),
);

describe("nftables, not owned", () => {
  test.each([
    "nft flush ruleset",
    "nft delete table inet tsdocker",
    "nft flush table inet tsdocker",
    "nft flush chain inet tsdocker admit",
    "nft insert rule inet tsdocker admit accept",
    "nft delete element inet tsdocker ports4 '{ tcp . 8080 }'",
    "nft add element inet tsdocker ports4 '{ tcp . 22 : 172.20.1.2 . 22 }'",
    "nft flush set inet tsdocker masquerade4",
    "nft delete element inet tsdocker to '{ ipv4 . br1 }'",
    "nft chain inet tsdocker forward '{ policy drop; }'",
    "nft add table inet tsdocker '{ flags dormant; }'",
    "nft add chain inet tsdocker theirs '{ type filter hook input priority 0; policy drop; }'",
  ])("%s", (damage) => heals(choices["nftables, not owned"], damage));
});

describe.each(["iptables", "ip6tables"])("%s", (program) => {
  const command = `${program}-nft`;
  test.each([
    `${command} -F`,
    `${command} -F; ${command} -X`,
    `${command} -t nat -F`,
    `${command} -t nat -F; ${command} -t nat -X`,
    `${command} -t raw -F PREROUTING`,
    `${command} -D FORWARD -j DOCKER-FORWARD`,
    `${command} -D FORWARD -j DOCKER-USER; ${command} -X DOCKER-USER`,
    `${command} -I DOCKER 1 -j ACCEPT`,
    `${command} -R DOCKER 1 -j ACCEPT`,
    `printf '*filter\\n:INPUT ACCEPT [0:0]\\n:FORWARD ACCEPT [0:0]\\n:OUTPUT ACCEPT [0:0]\\nCOMMIT\\n' | ${command}-restore`,
    "nft flush ruleset",
  ])("%s", (damage) => heals(choices["iptables-nft"], damage));
});

async function heals(choice: (typeof choices)[keyof typeof choices], damage: string): Promise<void> {
  let repairs = 0;
  firewall = await startFirewall(host, { ...choice, onRepaired: () => repairs++ }, wish);
  const before = await rulesOf(host);
  // the second of two commands may find the first one repaired
  await host.run(`{ ${damage}; } || true`);
  await expect.poll(() => rulesOf(host)).toEqual(before);
  await expect.poll(() => repairs).toBeGreaterThan(0);
}

test("an owned table is out of everybody's reach, and still can be read", async () => {
  firewall = await startFirewall(host, choices.nftables, wish);
  const before = await rulesOf(host);
  await host.run("nft flush ruleset");
  for (const damage of [
    "nft delete table inet tsdocker",
    "nft flush chain inet tsdocker admit",
    "nft delete element inet tsdocker ports4 '{ tcp . 8080 }'",
  ])
    await expect(host.run(damage)).rejects.toThrow("Operation not permitted");
  expect(await rulesOf(host)).toEqual(before);
});

test("our own changes are no reason to look at everything", async () => {
  for (const choice of [choices["nftables, not owned"], choices["iptables-nft"]]) {
    let repairs = 0;
    firewall = await startFirewall(host, { ...choice, onRepaired: () => repairs++ }, wish);
    const resync = vi.spyOn(firewall, "resync");
    for (let port = 1; port <= 5; port++)
      await firewall.set("more", [publish(String(port), "172.20.1.2", "80")]);
    // a foreign change behind them: when it is repaired all of ours have been told of
    await host.run("nft flush ruleset");
    await expect.poll(() => repairs).toBe(1);
    expect(resync).toHaveBeenCalledOnce();
    await firewall.stop();
    firewall = undefined;
  }
});

test("changes of other people's tables and chains are none of ours", async () => {
  firewall = await startFirewall(host, choices["iptables-nft"], wish);
  await host.run("nft add table inet theirs; nft add chain inet theirs c");
  await host.run("iptables-nft -A INPUT -s 192.0.2.9 -j DROP");
  expect(await firewall.resync()).toBe(false);
  expect(await host.run("nft list ruleset 2>/dev/null")).toContain("inet theirs");
  expect(await host.run("iptables-nft -S INPUT")).toContain("192.0.2.9");
});

describe.each(["iptables-legacy", "ip6tables-legacy"])("%s", (command) => {
  test.each([
    `${command} -F`,
    `${command} -t nat -F; ${command} -t nat -X`,
    `${command} -D FORWARD -j DOCKER-FORWARD`,
    `${command} -I DOCKER 1 -j ACCEPT`,
    `printf '*filter\\n:FORWARD ACCEPT [0:0]\\nCOMMIT\\n' | ${command}-restore`,
  ])("%s", (damage) => heals(choices["iptables-legacy"], damage));
});

test("with iptables-legacy our own changes are looked at a few times, not for ever", async () => {
  firewall = await startFirewall(host, choices["iptables-legacy"], wish);
  const resync = vi.spyOn(firewall, "resync");
  for (let port = 1; port <= 5; port++)
    await firewall.set("more", [publish(String(port), "172.20.1.2", "80")]);
  await expect.poll(() => resync.mock.calls.length).toBeGreaterThan(0);
  expect(await Promise.all(resync.mock.results.map(({ value }) => value))).not.toContain(true);
  // somebody else's command after them is one more look, and nothing to repair
  const looks = resync.mock.calls.length;
  await host.run("iptables-legacy -S >/dev/null");
  await expect.poll(() => resync.mock.calls.length).toBeGreaterThan(looks);
  expect(resync.mock.calls.length).toBeLessThan(20);
});

test("of a program with another lock nobody tells: the next change of ours finds what is missing, and so does resync", async () => {
  ears.areOpen = false;
  firewall = await startFirewall(host, choices["iptables-legacy"], wish);
  const before = await rulesOf(host);
  await host.run(withOwnLock("iptables-legacy -F; iptables-legacy -t nat -F"));
  await firewall.set("more", [publish("9", "172.20.1.2", "9")]);
  await firewall.set("more", []);
  expect(await rulesOf(host)).toEqual(before);
  await host.run(withOwnLock("ip6tables-legacy -F FORWARD"));
  expect(await firewall.resync()).toBe(true);
  expect(await rulesOf(host)).toEqual(before);
});

test("a rule is set although somebody has just taken the table away", async () => {
  firewall = await startFirewall(host, choices["nftables, not owned"], wish);
  for (let round = 0; round < 20; round++) {
    const flush = host.run("nft flush ruleset");
    const sets = Array.from({ length: 20 }, (_, at) =>
      firewall?.set(`owner ${at}`, [publish(String(100 + at), "172.20.1.2", String(round + 1))]),
    );
    await Promise.all([flush, ...sets]);
  }
  await expect
    .poll(() => host.run("nft list map inet tsdocker ports4"))
    .toContain("tcp . 119 : 172.20.1.2 . 20");
});
