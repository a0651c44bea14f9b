// The firewall alone, in a netns of its own: one port more among none and among many, a start over what is there, and the
// repair of what others flush. No other daemon repairs anything.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createFirewall, type OwnedFirewall, type Rule } from "../../src/firewall/index.ts";
import { createNetns, deleteNetns, deleteNetnsFolder } from "../../src/kernel/index.ts";
import { type Address, parseAddress, parsePrefix } from "../../src/netip/index.ts";
import { type Bench, type Measure, timed } from "../measure.ts";

const crowds = [0, 20_000];
const repeats = 20;
const firstPort = 20_000;

export const firewallMeasure: Measure = {
  name: "firewall",
  needsDaemons: false,
  async run(bench) {
    const folder = `/run/tsdocker-bench-${process.pid}-firewall`;
    for (const crowd of crowds) {
      const netns = `${folder}/crowd-${crowd}`;
      await createNetns(netns);
      try {
        await measure(bench, netns, crowd);
      } finally {
        await deleteNetns(netns);
      }
    }
    await deleteNetnsFolder(folder);
  },
};

async function measure(bench: Bench, netns: string, crowd: number): Promise<void> {
  const rules = [bridge, ...Array.from({ length: crowd }, (_, at) => publish(firstPort + at, 1 + at))];
  const among = `${crowd} others published`;
  bench.say(`firewall: ${among}`);
  await withFirewall({ netns, ownTables: true }, rules, async (firewall) => {
    for (let at = -2; at < repeats; at++) {
      const added = await timed(() => firewall.set("one", [publish(1, 1)]));
      const removed = await timed(() => firewall.set("one", []));
      if (at < 0) continue;
      bench.report.add(`one port more in the firewall, ${among}`, "tsdockerd", added.ms);
      bench.report.add(`one port less in the firewall, ${among}`, "tsdockerd", removed.ms);
    }
  });
  await startsOver(bench, { netns, rules, among });
  await repairs(bench, { netns, rules, among });
}

interface Setting {
  readonly netns: string;
  readonly rules: readonly Rule[];
  readonly among: string;
}

/** As after a restart of the daemon: the tables are there. */
async function startsOver({ report }: Bench, { netns, rules, among }: Setting): Promise<void> {
  await (await startedFirewall({ netns, ownTables: true }, rules)).close();
  for (let at = 0; at < repeats; at++) {
    const firewall = await createFirewall({ backend: "nftables", netns, ownTables: true });
    await firewall.set("crowd", rules);
    const started = await timed(() => firewall.start());
    report.add(`the firewall starts over what is there, ${among}`, "tsdockerd", started.ms);
    await (at < repeats - 1 ? firewall.close() : firewall.stop());
  }
}

/** From the end of `nft flush ruleset`, on tables that can be flushed, to the kernel's answer. */
async function repairs({ report }: Bench, { netns, rules, among }: Setting): Promise<void> {
  let repaired = Promise.withResolvers<void>();
  const onRepaired = () => repaired.resolve();
  await withFirewall({ netns, ownTables: false, onRepaired }, rules, async () => {
    for (let at = 0; at < repeats; at++) {
      repaired = Promise.withResolvers<void>();
      await run("nsenter", [`--net=${netns}`, "nft", "flush", "ruleset"]);
      const { ms } = await timed(() => repaired.promise);
      report.add(`a flush is repaired, ${among}`, "tsdockerd", ms);
    }
  });
}

type Wish = Pick<Parameters<typeof createFirewall>[0], "netns" | "ownTables" | "onRepaired">;

async function withFirewall(
  wish: Wish,
  rules: readonly Rule[],
  work: (firewall: OwnedFirewall) => Promise<void>,
): Promise<void> {
  const firewall = await startedFirewall(wish, rules);
  try {
    await work(firewall);
  } finally {
    await firewall.stop();
  }
}

async function startedFirewall(wish: Wish, rules: readonly Rule[]): Promise<OwnedFirewall> {
  const firewall = await createFirewall({ ...wish, backend: "nftables" });
  await firewall.set("crowd", rules);
  await firewall.start();
  return firewall;
}

const run = promisify(execFile);

const bridge: Rule = {
  kind: "bridge",
  link: "br1",
  subnets: [parsePrefix("10.1.0.0/16")].filter((prefix) => prefix !== undefined),
  icc: true,
  internal: false,
  source: { 4: "masquerade", 6: "keep" },
  gatewayMode: { 4: "nat", 6: "nat" },
  trustedLinks: [],
};

function publish(hostPort: number, containerPort: number): Rule {
  const one = (port: number) => ({ first: port, last: port });
  return {
    kind: "publish",
    link: "br1",
    protocol: "tcp",
    hostPorts: one(hostPort),
    target: container,
    targetPorts: one(containerPort),
  };
}

const container: Address = parseAddress("10.1.0.2") ?? { family: 4, value: 0n };
