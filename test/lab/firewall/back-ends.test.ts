// Back ends side by side with each other, with other engines and with what users add.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFirewall, type FirewallOptions, type OwnedFirewall } from "../../../src/firewall/index.ts";
import { type Host, Lab } from "../../conformance/firewall/lab.ts";
import { allow, bridge, publish, usual } from "../../conformance/firewall/rules.ts";

let lab: Lab;
let host: Host;
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
});
afterEach(() => lab[Symbol.asyncDispose]());

type Choice = Pick<FirewallOptions, "backend" | "iptables" | "ownTables">;
const nft: Choice = { backend: "nftables" };
/** As kernels before Linux 6.9 have it: anybody may change our tables. */
const sharedNft: Choice = { backend: "nftables", ownTables: false };
const iptablesNft: Choice = { backend: "iptables", iptables: "nft" };
const iptablesLegacy: Choice = { backend: "iptables", iptables: "legacy" };

async function start(choice: Choice, ...rules: Parameters<OwnedFirewall["set"]>[1]): Promise<OwnedFirewall> {
  const firewall = await createFirewall({ ...choice, netns: host.netns });
  await firewall.set("test", rules);
  await firewall.start();
  return firewall;
}

/** Everything in the kernel that outlives a process, without counters and the comments of the tools. */
async function everything(): Promise<string> {
  const own =
    "for t in 'inet tsdocker' 'inet theirs' 'bridge tsdocker'; do nft list table $t 2>/dev/null || true; done";
  const saves = ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"];
  const others = saves.map((program) => `${program}-save 2>/dev/null`).join("; ");
  const text = await host.run(`nft list tables | sed /fence/d | sort; ${own}; ${others}`);
  return text.replaceAll(/^#.*\n/gm, "").replaceAll(/\[\d+:\d+\]/g, "");
}

describe.each([nft, sharedNft, iptablesNft, iptablesLegacy])("$backend $iptables $ownTables", (choice) => {
  test("stop leaves the kernel as it was found", async () => {
    await host.run(
      "nft add table inet theirs; nft add chain inet theirs c; nft add rule inet theirs c accept",
    );
    await (await start(choice)).stop(); // iptables makes its tables at the first use and keeps them
    const before = await everything();
    const firewall = await start(choice, ...usual(publish("8080", "172.20.1.2", "80")));
    expect(await everything()).not.toBe(before);
    await firewall.stop();
    expect(await everything()).toBe(before);
  });

  test("a start takes over what a killed process left and makes it right", async () => {
    const killed = await start(choice, ...usual(publish("8080", "172.20.1.2", "80")));
    const left = await everything();
    await killed.close();
    const second = await start(choice, bridge("br1"));
    expect(await everything()).not.toBe(left);
    await second.set("test", usual(publish("8080", "172.20.1.2", "80")));
    expect(await everything()).toBe(left);
    await second.stop();
  });

  test("the same wish twice is the same kernel, and resync has nothing to do", async () => {
    const firewall = await start(choice, ...usual());
    const before = await everything();
    await firewall.set("test", usual());
    expect(await firewall.resync()).toBe(false);
    expect(await everything()).toBe(before);
    await firewall.stop();
  });

  test.skipIf(choice === nft)("resync brings back what somebody flushed", async () => {
    const firewall = await start(choice, ...usual(publish("8080", "172.20.1.2", "80")));
    const before = await everything();
    await host.run(
      choice.backend === "nftables"
        ? "nft flush chain inet tsdocker admit"
        : `iptables-${choice.iptables} -F DOCKER; iptables-${choice.iptables} -F FORWARD`,
    );
    await firewall.resync();
    await expect.poll(everything).toBe(before);
    await firewall.stop();
  });

  test("changes add up to what a start with the sum would make", async () => {
    const firewall = await start(choice);
    await firewall.set("a", [bridge("br1", { icc: false })]);
    await firewall.set("b", [
      publish("8080", "172.20.1.2", "80"),
      publish("1000-2000", "172.20.1.2", "1000-2000"),
    ]);
    await firewall.set("c", [bridge("br2", { internal: true })]);
    await firewall.set("a", [bridge("br1")]);
    await firewall.set("b", [publish("8080", "172.20.1.3", "80")]);
    await firewall.set("c", []);
    expect(await firewall.resync()).toBe(false);
    await firewall.stop();
  });
});

test("starting one back end removes the rules of the others, and nothing else", async () => {
  await host.run("nft add table inet theirs; iptables-nft -A INPUT -s 192.0.2.9 -j DROP");
  for (const choice of [iptablesNft, nft, iptablesLegacy, nft]) {
    const firewall = await start(choice, ...usual());
    await firewall.close();
    const text = await everything();
    expect(text.includes("table inet tsdocker")).toBe(choice.backend === "nftables");
    expect(text.includes("DOCKER-FORWARD")).toBe(choice.backend === "iptables");
    expect(text).toContain("table inet theirs");
    expect(text).toContain("192.0.2.9");
  }
});

test("the chains of another engine are neither touched nor taken over", async () => {
  await host.run("iptables-nft -N DOCKER; iptables-nft -A DOCKER -s 192.0.2.9 -j DROP");
  const before = await everything();
  await expect(start(iptablesNft)).rejects.toMatchObject({ kind: "unavailable" });
  await (await start(nft)).stop();
  expect(await everything()).toContain("192.0.2.9");
  expect(before).toContain("192.0.2.9");
});

test("what a user puts into DOCKER-USER comes first and outlives us", async () => {
  const firewall = await start(iptablesNft, ...usual());
  await host.run("iptables-nft -A DOCKER-USER -s 192.0.2.9 -j DROP");
  await firewall.set("more", [publish("8080", "172.20.1.2", "80")]);
  await firewall.stop();
  expect(await host.run("iptables-nft -S DOCKER-USER")).toContain("192.0.2.9");
  const again = await start(iptablesNft, ...usual());
  const [, first, second] = (await host.run("iptables-nft -S FORWARD")).split("\n");
  // nothing but a mark for the fence comes before it
  expect([first, second]).toEqual([expect.stringContaining("-j MARK"), "-A FORWARD -j DOCKER-USER"]);
  expect(await host.run("iptables-nft -S DOCKER-USER")).toContain("192.0.2.9");
  await again.stop();
});

test("whatever others do to our tables is repaired without being asked", async () => {
  const firewall = await start(sharedNft, ...usual(publish("8080", "172.20.1.2", "80")));
  const before = await everything();
  for (const damage of [
    "nft flush ruleset",
    "nft delete element inet tsdocker ports4 '{ tcp . 8080 }'",
    "nft insert rule inet tsdocker admit accept",
    "nft delete table inet tsdocker",
  ]) {
    await host.run(damage);
    await expect.poll(everything).toBe(before);
  }
  await firewall.stop();
});

test("what the kernel refuses changes nothing, for the owner and for the kernel", async () => {
  const firewall = await start(nft, bridge("br1"));
  const before = await everything();
  const overlapping = bridge("br2", {
    subnets: bridge("br1").subnets.map((subnet) => ({ ...subnet, length: 20 })),
  });
  await expect(firewall.set("more", [overlapping])).rejects.toMatchObject({ code: "EEXIST" });
  expect(await everything()).toBe(before);
  await firewall.set("more", [bridge("br2")]);
  await firewall.stop();
});

test("iptables says what it refused", async () => {
  const firewall = await start(iptablesNft, bridge("br2"));
  const before = await everything();
  await expect(
    firewall.set("more", [bridge("br1", { trustedLinks: ["a b"] }), allow("172.20.1.2", "80", "trusted")]),
  ).rejects.toThrow(/iptables-nft-restore: .*-i a b -o br1/s);
  expect(await everything()).toBe(before);
  await firewall.stop();
});

test("the back end of no rules changes nothing, and still finds conflicts", async () => {
  const before = await everything();
  const firewall = await start({ backend: "none" }, bridge("br1"));
  await expect(firewall.set("other", [bridge("br1")])).rejects.toMatchObject({ kind: "conflict" });
  expect(await everything()).toBe(before);
  await firewall.stop();
});
