// Overlay networks on a kernel: containers on different hosts reach each other, and nothing else leaves.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { Lab } from "../lab.ts";
import { overlayHost } from "./overlay-world.ts";

const underlay = ["192.0.2.0/24", "2001:db8:2::/64"] as const;

describe("an overlay network", () => {
  test.for([4, 6] as const)("carries IPv4 and IPv6 between hosts over IPv%i", async (family) => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment(...underlay);
    await using one = await overlayHost(segment, cluster, "one", { family });
    await using two = await overlayHost(segment, cluster, "two", { family });
    await one.lab.remember();
    await one.createNetwork();
    await two.createNetwork();
    const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
    const c2 = await two.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
    await using _v4 = await c2.host.listen("10.9.0.3", 80);
    await using _v6 = await c2.host.listen("fd09::3", 80);
    await expect(c1.host).toReach("10.9.0.3:80", { answer: "10.9.0.2" });
    await expect(c1.host).toReach("[fd09::3]:80", { answer: "fd09::2" });
    await c1.ping(c2, 4);
    await c2.ping(c1, 6);
  });
});
