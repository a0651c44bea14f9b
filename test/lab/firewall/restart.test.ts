// Starting again over what a process before left: the kernel is compared, and nothing is made that is there.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { watchNftables } from "../../../src/kernel/nftables/index.ts";
import { type Host, Lab } from "../../conformance/firewall/lab.ts";
import { allow, bridge, publish } from "../../conformance/firewall/rules.ts";
import { choices, rulesetOf, rulesOf, startFirewall } from "./world.ts";

let lab: Lab;
let host: Host;
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
});
afterEach(() => lab[Symbol.asyncDispose]());

const wish = [
  bridge("br1", { icc: false }),
  bridge("br2", { internal: true }),
  publish("8080", "172.20.1.2", "80"),
  publish("8081", "172.20.1.2", "80", { at: "127.0.0.1" }),
  publish("8080", "fd00:1::2", "80"),
  publish("20000-29999", "172.20.1.3", "20000-29999", { protocol: "udp" }),
  publish("3000-3003", "172.20.1.3", "4000-4003"),
  allow("172.20.1.2", "5432", "172.20.1.3"),
  allow("fd00:1::2", "6000-6100"),
];

describe.each(Object.entries(choices))("%s", (_, choice) => {
  test("50 restarts in a row change nothing, not even a handle", async () => {
    let firewall = await startFirewall(host, choice, wish);
    const before = await rulesetOf(host);
    for (let restart = 0; restart < 50; restart++) {
      await firewall.close();
      firewall = await startFirewall(host, choice, wish);
      if (restart % 10 === 0) expect(await rulesetOf(host)).toBe(before);
    }
    expect(await rulesetOf(host)).toBe(before);
    await firewall.stop();
  });

  test("a start after a process with other rules changes what differs", async () => {
    const first = await startFirewall(host, choice, wish);
    const before = await rulesOf(host);
    await first.close();
    const other = [bridge("br1"), publish("8080", "172.20.1.9", "81"), publish("9999", "172.20.1.3", "80")];
    const second = await startFirewall(host, choice, other);
    expect(await rulesOf(host)).not.toEqual(before);
    expect(await second.resync()).toBe(false);
    await second.close();
    const third = await startFirewall(host, choice, wish);
    expect(await rulesOf(host)).toEqual(before);
    await third.stop();
  });
});

test("restarting over what is there touches no chain, rule or set", async () => {
  const { nftables } = choices;
  const first = await startFirewall(host, nftables, wish);
  await first.close();
  const seen: string[] = [];
  using _watch = await watchNftables(host.netns, (event) => {
    if (event.kind === "lost") return void seen.push("lost");
    seen.push(event.tables.map(({ family, name }) => `${family} ${name}`).join());
  });
  const second = await startFirewall(host, nftables, wish);
  await host.run("nft add table inet end");
  await expect.poll(() => seen.at(-1)).toBe("inet end");
  // the one transaction makes the tables the new process's own
  expect(seen).toEqual(["inet tsdocker,bridge tsdocker", "inet end"]);
  await second.stop();
});

test("when only elements differ the chains stay as they are", async () => {
  const first = await startFirewall(host, choices.nftables, wish);
  const handles = () => host.run("nft -a list chains inet; nft -a list chain inet tsdocker admit");
  const before = await handles();
  await first.close();
  await host.run("nft delete element inet tsdocker ports4 '{ tcp . 8080 }'");
  await host.run("nft add element inet tsdocker ports4 '{ tcp . 12345 : 172.20.1.7 . 1 }'");
  const second = await startFirewall(host, choices.nftables, wish);
  expect(await handles()).toBe(before);
  const ports = await host.run("nft list map inet tsdocker ports4");
  expect(ports).toContain("tcp . 8080");
  expect(ports).not.toContain("12345");
  await second.stop();
});

test.each([
  ["a rule more", "nft insert rule inet tsdocker admit accept"],
  ["a rule less", "nft flush chain inet tsdocker admit"],
  ["another policy", "nft chain inet tsdocker forward '{ policy drop; }'"],
  ["a set of somebody", "nft add set inet tsdocker theirs '{ type ipv4_addr; }'"],
  ["a table asleep", "nft add table inet tsdocker '{ flags dormant; }'"],
  [
    "a rule that looks the same",
    `nft replace rule inet tsdocker guard handle $(nft -a list chain inet tsdocker guard | sed -n 's/.*loopback.*handle //p') meta nfproto ipv4 ip daddr 126.0.0.0/8 iifname != lo drop comment '"nobody outside talks to loopback"'`,
  ],
])("%s, added while no process owned the table, is gone after the start", async (_, damage) => {
  const choice = damage.includes("dormant") ? choices["nftables, not owned"] : choices.nftables;
  const first = await startFirewall(host, choice, wish);
  const before = await rulesOf(host);
  await first.close();
  await host.run(damage);
  const second = await startFirewall(host, choice, wish);
  expect(await rulesOf(host)).toEqual(before);
  await second.stop();
});

test("a second process is told that the tables are taken", async () => {
  const first = await startFirewall(host, choices.nftables, wish);
  await expect(startFirewall(host, choices.nftables, wish)).rejects.toMatchObject({
    kind: "unavailable",
    message: "set up nftables: table inet tsdocker belongs to a process that is running",
  });
  await first.stop();
});
