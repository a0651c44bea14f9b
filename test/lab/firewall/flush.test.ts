// CVE-2025-54388, CVE-2025-54410: what must not pass does not pass, also while somebody flushes the firewall.

import { expect, test } from "vitest";
import { bridge, publish } from "../../conformance/firewall/rules.ts";
import { buildTown } from "../../conformance/firewall/town.ts";
import { openFire } from "./fire.ts";
import { choices, dice, rulesOf, startFirewall } from "./world.ts";

const nftFlushes = [
  "nft flush ruleset",
  "nft delete table inet tsdocker",
  "nft flush table inet tsdocker",
  "nft flush map inet tsdocker to; nft flush map inet tsdocker from",
  "nft flush chain inet tsdocker guard",
  "printf 'flush ruleset\\ntable inet theirs { chain c { } }\\n' | nft -f -",
];

const iptablesFlushes = (kind: string) =>
  ["iptables", "ip6tables"].flatMap((program) => {
    const command = `${program}-${kind}`;
    return [
      `${command} -F`,
      `${command} -F; ${command} -X`,
      `${command} -F FORWARD; ${command} -P FORWARD ACCEPT`,
      `${command} -t nat -F`,
      `${command} -t raw -F`,
      `printf '*filter\\n:FORWARD ACCEPT [0:0]\\n-A FORWARD -s 198.18.0.1 -j DROP\\nCOMMIT\\n' | ${command.replace("6", "")}-restore`,
    ];
  });

const flushes = {
  nftables: nftFlushes,
  "nftables, not owned": nftFlushes,
  "iptables-nft": [...iptablesFlushes("nft"), "nft flush ruleset"],
} as const;

test.each(Object.entries(flushes))(
  "isolation holds through 200 flushes, sampled at 1 kHz: %s",
  async (name, all) => {
    await using town = await buildTown({ bridgeNetfilter: false });
    const { host } = town;
    const firewall = await startFirewall(host, choices[name as keyof typeof flushes], [
      bridge("br1"),
      bridge("br2", { internal: true }),
      publish("7000", "172.20.1.2", "7000", { at: "127.0.0.1", protocol: "udp" }),
      publish("8080", "172.20.1.2", "80"),
    ]);
    const before = await ours(host);
    await using fire = await openFire(town);
    const roll = dice(28);
    for (let flush = 0; flush < 200; flush++) {
      await host.run(`{ ${all[roll(all.length)]}; } || true`);
      // some of them come upon the repair of the one before
      if (roll(3) > 0) await firewall.set("behind the repair", []);
    }
    await expect.poll(() => ours(host)).toEqual(before);
    expect([...fire.hits]).toEqual([]);
    expect(fire.rounds()).toBeGreaterThan(200);
    expect(await town.peer.ask({ to: "192.0.2.1", port: 8080 })).toBe("c1:80 192.0.2.2");
    await firewall.stop();
  },
  // thousands of commands: a slow machine may take its time
  240_000,
);

test("without a firewall every shot hits", async () => {
  await using town = await buildTown({ bridgeNetfilter: false });
  await using fire = await openFire(town);
  await expect.poll(() => fire.hits.size).toBe(7);
});

/** Our own rules: others' went with the flush. */
async function ours(host: Parameters<typeof rulesOf>[0]): Promise<string[]> {
  return (await rulesOf(host)).filter((line) => !/theirs|198\.18\.0\.1|chain c/.test(line));
}
