// Encrypted networks: never in clear. What this kernel cannot seal it does not carry; where it can, packets are sealed.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { lackOfEsp } from "../../../src/kernel/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import { expectPing, type HostOptions, type OverlayHost, overlayHost } from "./overlay-world.ts";

const vni = 5001;
const generic = { encrypted: "", "com.docker.network.driver.overlay.vxlanid_list": String(vni) };
const lack = await lackOfEsp(4);
const why = lack === undefined ? "" : ` (skipped: this kernel lacks ${lack})`;
/** As if the kernel had what it lacks: what comes of it must not be in clear all the same. */
const pretends: HostOptions = { link: { lackOfEsp: async () => undefined } };

/** Elements of the guard's set of encrypted networks. */
async function sealed({ lab }: OverlayHost): Promise<string> {
  const text = await lab.run("nft", "list", "table", "inet", "tsdocker-tunnels").catch(String);
  return /set sealed \{[^}]*elements = \{([^}]*)\}/.exec(text)?.[1]?.trim() ?? "";
}

/** Counts what leaves a host: this VNI in clear, and ESP. */
async function onWire(host: LabHost) {
  await host.run("nft", "add table netdev wire");
  await host.run("nft", "add chain netdev wire c { type filter hook egress device eth0 priority 500; }");
  await host.run("nft", `add rule netdev wire c udp dport 4789 @th,96,24 ${vni} counter`);
  await host.run("nft", "add rule netdev wire c meta l4proto esp counter");
  return async () => {
    const text = await host.run("nft", "list", "table", "netdev", "wire");
    const [clear, esp] = [...text.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets));
    return { clear, esp };
  };
}

describe("an encrypted network", () => {
  test("is sealed from its first container to its last, also while daemons change", async () => {
    await using lab = await Lab.create();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, new FakeCluster(), "one", pretends);
    await one.createNetwork({ generic });
    expect(await sealed(one)).toBe("");
    const container = await one.run("c1", ["10.9.0.2/24"]);
    expect(await sealed(one)).toBe(String(vni));
    await one.restart();
    expect(await sealed(one)).toBe(String(vni));
    await container.stop();
    await expect.poll(() => sealed(one)).toBe("");
    await one.deleteNetwork();
  });

  test("has a smaller MTU", async () => {
    await using lab = await Lab.create();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, new FakeCluster(), "one", pretends);
    await one.createNetwork({ generic });
    const container = await one.run("c1", ["10.9.0.2/24"]);
    expect((await container.host.netlink.link("eth0"))?.mtu).toBe(1416);
  });

  test.runIf(lack !== undefined)("is carried by no kernel that cannot seal it", async () => {
    await using lab = await Lab.create();
    const segment = lab.segment("192.0.2.0/24");
    const cluster = new FakeCluster();
    await using one = await overlayHost(segment, cluster, "one", pretends);
    await using other = await overlayHost(segment, cluster, "two", pretends);
    await one.createNetwork({ generic });
    await other.createNetwork({ generic });
    const wire = await onWire(one.lab);
    await one.run("c1", ["10.9.0.2/24"]).catch(() => undefined);
    // by now there is somebody to make an association with
    await expect(other.run("c2", ["10.9.0.3/24"])).rejects.toThrow(/ip xfrm state add/);
    expect(await wire()).toMatchObject({ clear: 0 });
    expect(await other.host.netns.list()).toEqual([]);
  });

  test("shows its keys to nobody: not in the log, and not in what is told of a network", async () => {
    await using lab = await Lab.create();
    const lines: string[] = [];
    const note = (...parts: readonly unknown[]) => void lines.push(JSON.stringify(parts));
    const log = { debug: note, info: note, warn: note, error: note, child: () => log };
    const segment = lab.segment("192.0.2.0/24");
    const cluster = new FakeCluster();
    await using one = await overlayHost(segment, cluster, "one", { ...pretends, log });
    await using other = await overlayHost(segment, cluster, "two", { ...pretends, log });
    for (const host of [one, other]) {
      await host.createNetwork({ generic });
      // fails where the kernel cannot seal, which is logged too
      await host.run("c1", ["10.9.0.2/24"]).catch((error) => note(String(error), error));
    }
    const ring = (await one.cluster.table<{ current: { secret: string } }>("overlay-keys")).get(
      "ring",
    )?.value;
    expect(ring?.current.secret).toHaveLength(44);
    const told = [
      await one.driver.effectiveOptions?.({ networkId: "b1".repeat(32) }),
      await one.driver.describeNetwork?.({ networkId: "b1".repeat(32) }),
    ];
    const all = lines.join("\n") + JSON.stringify(told);
    expect(all).not.toContain(ring?.current.secret);
    expect(all).not.toMatch(/"key":/);
  });

  test.skipIf(lack !== undefined).for([4, 6] as const)(
    `is carried under ESP over IPv%i${why}`,
    async (family) => {
      await using lab = await Lab.create();
      const segment = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
      const cluster = new FakeCluster();
      await using one = await overlayHost(segment, cluster, "one", { family });
      await using other = await overlayHost(segment, cluster, "two", { family });
      await one.createNetwork({ generic });
      await other.createNetwork({ generic });
      const wire = await onWire(one.lab);
      const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
      const c2 = await other.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
      await expectPing(c1, c2);
      await one.restart();
      await expectPing(c1, c2);
      // whatever somebody removes is made again, under other keys
      await one.lab.run("ip", "xfrm", "state", "flush");
      await expectPing(c1, c2);
      expect(await wire()).toEqual({ clear: 0, esp: expect.any(Number) });
      expect((await wire()).esp).toBeGreaterThan(0);
    },
  );
});
