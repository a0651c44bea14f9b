// What all packets for the host would pass is there when a network asks for it, and not before.

import { afterEach, beforeEach, expect, test } from "vitest";
import { type Host, Lab } from "../../conformance/firewall/lab.ts";
import { bridge } from "../../conformance/firewall/rules.ts";
import { choices, rulesOf, startFirewall } from "./world.ts";

let lab: Lab;
let host: Host;
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
});
afterEach(() => lab[Symbol.asyncDispose]());

const hooks = async () =>
  [...(await host.run("nft list table inet tsdocker")).matchAll(/hook (\w+)/g)]
    .map(([, hook]) => hook)
    .toSorted();
const always = ["forward", "output", "postrouting", "prerouting", "prerouting"];
const closed = bridge("br1", { hostAccess: "none" });

test("nothing is asked of packets for the host until a network is kept from it", async () => {
  const firewall = await startFirewall(host, choices.nftables, [bridge("br1")]);
  expect(await hooks()).toEqual(always);
  await firewall.set("test", [closed]);
  expect(await hooks()).toEqual(["forward", "input", ...always.slice(1)]);
  await firewall.set("more", [bridge("br2", { hostAccess: "ports" })]);
  await firewall.set("more", []);
  await firewall.set("test", [bridge("br1")]);
  expect(await firewall.resync()).toBe(false);
  await firewall.set("test", [closed]);
  expect(await firewall.resync()).toBe(false);
  expect((await host.run("nft list chain inet tsdocker input")).match(/vmap/g)).toHaveLength(1);
  await firewall.stop();
});

test("the next process keeps it while it is needed, and goes without it when it is not", async () => {
  const first = await startFirewall(host, choices.nftables, [closed]);
  const before = await rulesOf(host);
  await first.close();
  const second = await startFirewall(host, choices.nftables, [closed]);
  expect(await rulesOf(host)).toEqual(before);
  await second.close();
  const third = await startFirewall(host, choices.nftables, [bridge("br1")]);
  expect(await hooks()).toEqual(always);
  await third.set("test", [closed]);
  expect(await rulesOf(host)).toEqual(before);
  await third.stop();
});

test("it is there again when somebody deleted it", async () => {
  const choice = choices["nftables, not owned"];
  const firewall = await startFirewall(host, choice, [closed]);
  const before = await rulesOf(host);
  await host.run("nft flush chain inet tsdocker input; nft delete chain inet tsdocker input");
  await expect.poll(() => rulesOf(host)).toEqual(before);
  await firewall.stop();
});
