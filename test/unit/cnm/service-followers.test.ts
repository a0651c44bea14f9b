// Who is told of services: sandboxes that balance them, and whoever follows them.

import { describe, expect, test } from "vitest";
import type { Service, ServiceRef } from "../../../src/cnm/index.ts";
import { endpointSpec } from "../../lab/cnm/specs.ts";
import { idOf, run, serve, stop } from "./global-hosts.ts";
import { addressOf, balanced, blue, useHostsOfServices, vipOf } from "./service-world.ts";

const { cluster, settled, start, two } = useHostsOfServices();

describe("a sandbox", () => {
  test("balances the services of its networks over those that are ready, and follows them", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await run(h2, "client");
    await settled(h1, h2);
    const [vip] = vipOf(h1);
    expect(balanced(h2)).toEqual([`${vip} → ${addressOf(h1, "c1")}`]);
    await serve(h2, "c2");
    await settled(h1, h2);
    const both = [addressOf(h1, "c1"), addressOf(h2, "c2")].toSorted().join(" ");
    expect(balanced(h2)).toEqual([`${vip} → ${both}`, `${vip} → ${both}`]);
    h1.controller.setReady(idOf("c1"), false);
    await settled(h1, h2);
    expect(balanced(h2)[0]).toBe(`${vip} → ${addressOf(h2, "c2")}`);
    cluster().endLease("h2");
    await settled(h1, h2);
    expect(balanced(h1)).toEqual([`${vip} → `]);
  });

  test("that is on no network of services is told nothing", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await run(h2, "client", { network: "red" });
    await settled(h1, h2);
    expect(h2.netns.balances.size).toBe(0);
    expect(h2.steps.transcript).not.toContain("sandbox: balance");
  });

  test("forgets them when it leaves the network", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    const client = await run(h2, "client");
    await settled(h1, h2);
    await client.connect(endpointSpec("red"));
    expect(h2.netns.balances.size).toBe(1);
    await client.disconnect("blue");
    expect(h2.netns.balances.size).toBe(0);
  });

  test("is told what is so after a start, whatever it was told before", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    const client = await run(h2, "client");
    await settled(h1, h2);
    await stop(h2);
    h2.netns.balances.delete(client.netnsPath);
    const again = await start(h2.node, { after: h2, live: new Set([idOf("client")]) });
    expect(balanced(again)).toEqual([`${vipOf(h1)[0]} → ${addressOf(h1, "c1")}`]);
  });

  test("goes on with what it was told while the store is away", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await run(h2, "client");
    await settled(h1, h2);
    const before = balanced(h2);
    cluster().partition("h2");
    cluster().endLease("h1");
    await settled(h2);
    expect(balanced(h2)).toEqual(before);
  });
});

describe("who follows services", () => {
  test("hears of what came, changed and went, and of nothing twice", async () => {
    const [h1, h2] = await two();
    const heard: string[] = [];
    const words = (changed: readonly Service[], gone: readonly ServiceRef[]) => {
      for (const { name, published, backends } of changed)
        heard.push(`${name}: ${backends.length} ${published.length}`);
      for (const { name } of gone) heard.push(`${name} gone`);
    };
    const unfollow = h2.controller.followServices(words);
    const sandbox = await serve(h1, "c1");
    await settled(h1, h2);
    await serve(h1, "other", "api");
    await settled(h1, h2);
    await h1.controller.publishService(blue(h1), "web", [
      { protocol: "tcp", publishedPort: 80, targetPort: 80 },
    ]);
    await settled(h1, h2);
    await sandbox.delete();
    await settled(h1, h2);
    await h2.controller.unpublishService(blue(h2), "web", [
      { protocol: "tcp", publishedPort: 80, targetPort: 80 },
    ]);
    await settled(h1, h2);
    expect(heard.filter((line) => line.startsWith("web"))).toEqual([
      "web: 1 0",
      "web: 1 1",
      "web: 0 1",
      "web: 0 0",
      "web gone",
    ]);
    unfollow();
    await serve(h1, "c3", "more");
    await settled(h1, h2);
    expect(heard.join()).not.toContain("more");
  });

  test("hears of a host that dies and comes back", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    const heard: boolean[] = [];
    h2.controller.followServices((changed) => {
      for (const { backends } of changed) heard.push(...backends.map(({ isReady }) => isReady));
    });
    cluster().partition("h1");
    cluster().endLease("h1");
    await settled(h2);
    await cluster().heal("h1");
    await settled(h1, h2);
    expect(heard).toEqual([false, true]);
  });
});
