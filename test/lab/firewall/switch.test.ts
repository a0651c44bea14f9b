// Another back end after a restart: nothing is left of the one before, and everything is left of other people's.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OwnedFirewall } from "../../../src/firewall/index.ts";
import { type Host, Lab } from "../../conformance/firewall/lab.ts";
import { bridge, publish, usual } from "../../conformance/firewall/rules.ts";
import { type Choice, choices, rulesOf, startFirewall } from "./world.ts";

let lab: Lab;
let host: Host;
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
});
afterEach(() => lab[Symbol.asyncDispose]());

const none: Choice = { backend: "none" };
const round: readonly Choice[] = [
  choices.nftables,
  choices["iptables-nft"],
  none,
  choices["nftables, not owned"],
  choices["iptables-legacy"],
  choices.nftables,
  choices["iptables-legacy"],
  none,
  choices["iptables-nft"],
  choices.nftables,
];
const wish = usual(bridge("br1", { icc: false }), publish("8080", "172.20.1.2", "80")).slice(1);

describe.each([
  ["that ended in order", (firewall: OwnedFirewall) => firewall.stop()],
  ["that was killed", (firewall: OwnedFirewall) => firewall.close()],
] as const)("after a process %s", (_, end) => {
  test("the next back end is alone, whichever it is and whichever was before", async () => {
    const alone = new Map<Choice, string[]>();
    for (const choice of new Set(round)) {
      await using fresh = new Lab();
      const other = await fresh.host("host");
      const firewall = await startFirewall(other, choice, wish);
      alone.set(choice, await rulesOf(other));
      await firewall.stop();
    }
    for (const choice of round) {
      const firewall = await startFirewall(host, choice, wish);
      expect(withoutEmptyLegacy(await rulesOf(host))).toEqual(withoutEmptyLegacy(alone.get(choice) ?? []));
      await end(firewall);
    }
  });

  test("what the host had is what it has, its empty tables too", async () => {
    await host.run(`
      iptables-nft -A INPUT -s 192.0.2.9 -j DROP; iptables-nft -P FORWARD DROP; iptables-nft -t nat -L > /dev/null
      iptables-legacy -A INPUT -s 192.0.2.8 -j DROP; nft add table inet theirs`);
    const before = withoutEmptyLegacy(await rulesOf(host));
    for (const choice of round) await end(await startFirewall(host, choice, wish));
    const last = await startFirewall(host, none, wish);
    expect(withoutEmptyLegacy(await rulesOf(host))).toEqual(before);
    await last.stop();
  });
});

/** The kernel keeps iptables-legacy's tables once they were used: empty ones are no rules. */
function withoutEmptyLegacy(lines: readonly string[]): string[] {
  const empty =
    /made the table|^(\*(raw|filter|nat)|:(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ACCEPT|COMMIT)/;
  return lines.filter((line) => !empty.test(line));
}

test("iptables-nft's own tables go where they came with us", async () => {
  await (await startFirewall(host, choices["iptables-nft"], wish)).stop();
  expect(await host.run("nft list tables")).toBe("");
  const killed = await startFirewall(host, choices["iptables-nft"], wish);
  await killed.close();
  const next = await startFirewall(host, choices.nftables, wish);
  const tables = () => host.run("nft list tables");
  expect((await tables()).split("\n").filter(Boolean).toSorted()).toEqual([
    "table bridge tsdocker",
    "table inet tsdocker",
  ]);
  await next.stop();
  expect(await tables()).toBe("");
});

test("DOCKER-USER stays with the user's rules in it, its hook goes", async () => {
  const firewall = await startFirewall(host, choices["iptables-nft"], wish);
  await host.run("iptables-nft -A DOCKER-USER -s 192.0.2.9 -j DROP");
  await firewall.close();
  await (await startFirewall(host, choices.nftables, wish)).stop();
  expect(
    (await host.run("iptables-nft-save 2>/dev/null")).replaceAll(/^#.*\n/gm, "").replaceAll(/ \[.*\]/g, ""),
  ).toBe(
    "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:DOCKER-USER -\n-A DOCKER-USER -s 192.0.2.9/32 -j DROP\nCOMMIT\n",
  );
});

test("what a dockerd left is not ours to remove", async () => {
  await host.run(`
    iptables-nft -N DOCKER; iptables-nft -N DOCKER-ISOLATION-STAGE-1; iptables-nft -A FORWARD -j DOCKER-ISOLATION-STAGE-1
    iptables-nft -t nat -N DOCKER`);
  const before = await rulesOf(host);
  const firewall = await startFirewall(host, choices.nftables, wish);
  await firewall.stop();
  await (await startFirewall(host, none, wish)).stop();
  expect(await rulesOf(host)).toEqual(before);
});
