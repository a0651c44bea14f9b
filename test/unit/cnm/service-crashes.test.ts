// Services that a crash left half made or half removed: other hosts finish what was begun.

import { describe, expect, test } from "vitest";
import type { EndpointNames, ServiceRecord } from "../../../src/cnm/global/records.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import type { FakeWorld } from "./fakes.ts";
import { asked, failure, run, serve, stop } from "./global-hosts.ts";
import { blue, recordsOf, reserved, shown, useHostsOfServices, vipOf } from "./service-world.ts";

const { cluster, settled, start, two, three } = useHostsOfServices();

describe("after a crash", () => {
  const web = (world: FakeWorld) => `${blue(world)}/web`;

  test("of a host that was making a service another one finishes it", async () => {
    const [h1, h2] = await two();
    const services = await h1.node.table<ServiceRecord>("services");
    await cluster().addNode("h3");
    const vip = { family: 4, value: (10n << 24n) + 200n } as const;
    await services.put(web(h1), {
      vips: [vip],
      published: [],
      change: { kind: "making", by: "h3" },
    });
    await serve(h2, "c2");
    await settled(h1, h2);
    expect(shown(h2)).toEqual([]);
    cluster().partition("h3");
    cluster().endLease("h3");
    await settled(h1, h2);
    expect(shown(h2)).toEqual(["web 10.0.0.200: c2"]);
    // it is leased now: nobody else has it
    expect(await failure(run(h1, "c9", { ipv4: vip }))).toMatch(/already in use/);
  });

  test("an address that went to somebody else meanwhile is replaced", async () => {
    const [h1, h2, h3] = await three();
    const services = await h1.node.table<ServiceRecord>("services");
    await run(h1, "c1");
    const vips = h1.controller.network("blue").endpoints.values().next().value?.addresses ?? [];
    await services.put(web(h1), { vips, published: [], change: { kind: "making", by: "h9" } });
    await serve(h2, "c2");
    await settled(h1, h2, h3);
    expect(shown(h2)).toHaveLength(1);
    expect(vipOf(h2)).not.toEqual(vips.map(formatAddress));
    expect(asked(h1, "web")).toEqual(vipOf(h2));
  });

  test("of a host that was removing a service another one does, and the address is free", async () => {
    const [h1, h2] = await two();
    await cluster().addNode("h3");
    const sandbox = await serve(h1, "c1");
    await settled(h1, h2);
    const services = await h2.node.table<ServiceRecord>("services");
    const [entry] = [...services.entries()];
    if (!entry) throw new Error("there is no service");
    await services.replace(entry, { ...entry.value, change: { kind: "removing", by: "h3" } });
    await sandbox.delete();
    await settled(h1, h2);
    expect([...services.entries()]).toHaveLength(1);
    cluster().partition("h3");
    cluster().endLease("h3");
    await settled(h1, h2);
    expect([...services.entries()]).toEqual([]);
    expect(await reserved(h1)).toBe(0);
  });

  test("of the host of the last endpoint the service goes with the host's record, or with its next start", async () => {
    const [h1, h2, h3] = await three();
    await run(h2, "client");
    await serve(h1, "c1");
    await settled(h1, h2, h3);
    cluster().partition("h1");
    cluster().endLease("h1");
    await settled(h2, h3);
    expect(shown(h2)).toEqual([expect.stringMatching(/: c1\?$/)]);
    await h2.node.nodes.delete("h1");
    await settled(h2, h3);
    expect(await recordsOf(h2)).toEqual([]);
    expect(asked(h2, "web")).toEqual([]);
  });

  test("a start finds what has no endpoints any more", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    await stop(h1);
    const again = await start(h1.node, { after: h1 });
    await settled(again, h2);
    const endpoints = await h2.node.table<EndpointNames>("endpoint-names");
    expect([...endpoints.entries(), ...(await recordsOf(h2))]).toEqual([]);
    expect(await reserved(h2)).toBe(0);
  });

  test("a published port of a service that is not there is free again", async () => {
    const [h1, h2] = await two();
    const ports = await h1.node.table("ingress-ports");
    await ports.put("tcp/8080", { networkId: "gone", service: "web" });
    await start(await cluster().addNode("h3"));
    await settled(h1, h2);
    expect([...ports.entries()]).toEqual([]);
  });
});
