// A host keeps its own rules and settings while we are there and after, ours aside: our tables and chains, our links, and
// the settings that docs/firewall.md names.

import { expect, test } from "vitest";
import { endpointSpec, networkSpec, sandboxSpec } from "../cnm/specs.ts";
import { createWorld, type World } from "../cnm/world.ts";
import { Lab, type LabHost } from "../lab.ts";

const sh = (machine: LabHost, script: string) => machine.run("sh", "-c", script);

/** Rules and a bridge of somebody else's. */
async function furnish(machine: LabHost): Promise<void> {
  await sh(
    machine,
    `set -e
    nft 'table inet theirs { set s { type ipv4_addr; elements = { 192.0.2.9 }; }; chain f { type filter hook forward priority 10; policy drop; ip saddr @s accept; }; }'
    nft 'table bridge theirs { chain f { type filter hook forward priority 0; ether type arp accept; }; }'
    for p in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
      $p -A INPUT -p tcp --dport 22 -j ACCEPT; $p -N MINE; $p -A FORWARD -j MINE; $p -A MINE -p tcp --dport 25 -j REJECT
      $p -t nat -A POSTROUTING -p tcp --dport 26 -j MASQUERADE; $p -t raw -A PREROUTING -p udp --dport 27 -j DROP
    done
    ip link add theirs0 type bridge; ip addr add 203.0.113.1/24 dev theirs0; ip link set theirs0 up`,
  );
}

/** Rules of others: without our tables, our chains, jumps to them, the mark for the fence, and tables of iptables' that are empty. */
async function rulesOf(machine: LabHost): Promise<string> {
  const nft = await sh(machine, "nft list table inet theirs; nft list table bridge theirs");
  const programs = ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"];
  const saved = await Promise.all(programs.map((each) => sh(machine, `${each}-save 2>/dev/null`)));
  const lines = saved
    .join("\n")
    .replaceAll(/ \[\d+:\d+\]/g, "")
    .split("\n");
  return [nft, ...lines.filter((line) => !/^#|DOCKER|MARK --set-xmark 0x40000000/.test(line))].join("\n");
}

/** Settings of the network, but for those of our links and for counters. */
async function settingsOf(machine: LabHost): Promise<string[]> {
  const text = await sh(machine, "sysctl -a 2>/dev/null");
  return text
    .split("\n")
    .filter((line) => line.startsWith("net.") && !/\.(docker0|br-[0-9a-f]+|veth[0-9a-z]+)\./.test(line))
    .filter((line) => !/nf_conntrack_count|_fastopen_key|\.stable_secret|file-nr/.test(line));
}

async function live(world: World): Promise<() => Promise<void>> {
  const { controller } = world;
  const options = { "com.docker.network.bridge.enable_icc": "false", "tsdocker.host_access": "ports" };
  await controller.createNetwork(networkSpec("apart", { options }));
  await controller.createNetwork(networkSpec("secret", { internal: true }));
  const sandbox = await controller.createSandbox(
    sandboxSpec("c1", {
      endpoints: [endpointSpec("apart")],
      portBindings: [{ protocol: "tcp", containerPort: 80, hostPorts: { first: 8080, last: 8080 } }],
    }),
  );
  return async () => {
    await sandbox.delete();
    await controller.deleteNetwork("apart");
    await controller.deleteNetwork("secret");
  };
}

test.each(["nftables", "iptables"] as const)(
  "the host's own rules and settings are the same before, during and after, with %s",
  async (backend) => {
    await using lab = await Lab.create();
    const lan = lab.segment("192.0.2.0/24");
    const machine = await lan.host("machine");
    await furnish(machine);
    await sh(
      machine,
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.forwarding=1",
    );
    const before = { rules: await rulesOf(machine), settings: await settingsOf(machine) };
    const now = async () => ({ rules: await rulesOf(machine), settings: await settingsOf(machine) });
    {
      await using world = await createWorld(machine, { backend });
      expect(await now()).toEqual(before);
      const end = await live(world);
      expect(await now()).toEqual(before);
      await end();
      expect(await now()).toEqual(before);
    }
    expect(await now()).toEqual(before);
  },
);

test.each([
  { backend: "iptables", noDrop: false, policies: ["DROP", "DROP"] },
  { backend: "iptables", noDrop: true, policies: ["ACCEPT", "ACCEPT"] },
  { backend: "nftables", noDrop: false, policies: ["ACCEPT", "ACCEPT"] },
] as const)(
  "a host that only forwards because of us: with $backend (no drop: $noDrop) the policy is $policies",
  async ({ backend, noDrop, policies }) => {
    await using lab = await Lab.create();
    const machine = await lab.segment("192.0.2.0/24").host("machine");
    await sh(
      machine,
      "iptables -A FORWARD -s 192.0.2.9 -j ACCEPT; ip6tables -A FORWARD -s 2001:db8::9 -j ACCEPT",
    );
    const settings = { ipForwardNoDrop: noDrop };
    await using world = await createWorld(machine, { backend, settings });
    await world.controller.createNetwork(networkSpec("six", { enableIpv6: true }));
    for (const [at, program] of ["iptables", "ip6tables"].entries()) {
      const rules = await sh(machine, `${program} -S FORWARD`);
      expect(rules).toContain(`-P FORWARD ${policies[at]}`);
      expect(rules).toContain("-j ACCEPT");
    }
    await world.controller.deleteNetwork("six");
  },
);

test("where the host does not forward yet, forwarding is all that changes", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const machine = await lan.host("machine");
  const before = await settingsOf(machine);
  await using world = await createWorld(machine, { backend: "nftables" });
  const end = await live(world);
  const changed = (await settingsOf(machine)).filter((line) => !before.includes(line));
  // the kernel changes them along with net.ipv4.ip_forward
  const follow = /^net\.ipv4\.(ip_forward|conf\.[^.]+\.forwarding|conf\.all\.accept_redirects) = /;
  expect(changed.filter((line) => !follow.test(line))).toEqual([]);
  await end();
});

test("frames of somebody else's bridge meet one rule of ours at each hook", async () => {
  await using lab = await Lab.create();
  const machine = await lab.segment("192.0.2.0/24").host("machine");
  await using world = await createWorld(machine, { backend: "nftables" });
  const end = await live(world);
  const table = await sh(machine, "nft list table bridge tsdocker");
  const hooked = table.split(/\n\tchain /).filter((chain) => chain.includes(" hook "));
  expect(
    hooked.map(
      (chain) =>
        chain
          .split("\n")
          .slice(2)
          .filter((line) => /^\t\t/.test(line)).length,
    ),
  ).toEqual([1, 1]);
  await end();
});
