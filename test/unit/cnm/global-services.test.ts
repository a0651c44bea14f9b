// Services over the hosts of a cluster: who makes and removes them, who is behind them, which ports they have.

import { describe, expect, test } from "vitest";
import type { EndpointNames, ServiceRecord } from "../../../src/cnm/global/records.ts";
import type { Service, ServiceRef } from "../../../src/cnm/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { endpointSpec, networkSpec, pool } from "../../lab/cnm/specs.ts";
import type { FakeWorld } from "./fakes.ts";
import { asked, failure, type HostWorld, idOf, run, serve, stop, useCluster } from "./global-hosts.ts";

const { cluster, hosts, settled, start } = useCluster();

async function two() {
  const [h1, h2] = await hosts(2);
  if (!h1 || !h2) throw new Error("there are not two hosts");
  return [h1, h2] as const;
}

async function three() {
  const [h1, h2, h3] = await hosts(3);
  if (!h1 || !h2 || !h3) throw new Error("there are not three hosts");
  return [h1, h2, h3] as const;
}

const blue = ({ controller }: FakeWorld) => controller.network("blue").id;

/** `web 10.0.0.3: c1 c2?` */
const shown = ({ controller }: FakeWorld) =>
  controller.services().map(
    ({ name, vips, backends }) =>
      `${name} ${vips.map(formatAddress).join()}: ${backends
        .map(({ containerName, isReady }) => containerName + (isReady ? "" : "?"))
        .toSorted()
        .join(" ")}`,
  );

const vipOf = (world: FakeWorld) =>
  world.controller.services().flatMap(({ vips }) => vips.map(formatAddress));

/** What sandboxes were told, as text: `10.0.0.3 → 10.0.0.2 10.0.0.16`. */
const balanced = ({ netns }: FakeWorld) =>
  [...netns.balances.values()].map((services) =>
    services
      .map(
        ({ vip, backends }) => `${formatAddress(vip)} → ${backends.map(formatAddress).toSorted().join(" ")}`,
      )
      .join("; "),
  );

const recordsOf = async ({ node }: HostWorld) => [...(await node.table<ServiceRecord>("services")).entries()];

/** Addresses that are all hosts' together, the gateways of blue and red aside. */
async function reserved({ node }: HostWorld): Promise<number> {
  const blocks = [...(await node.table<{ taken: Record<string, string> }>("ipam-blocks")).entries()];
  return (
    blocks.flatMap(({ value }) => Object.values(value.taken)).filter((taker) => taker === "*").length - 2
  );
}

const addressOf = (world: FakeWorld, name: string) =>
  [...world.controller.network("blue").endpoints.values()]
    .filter(({ record }) => record.containerName === name)
    .flatMap(({ addresses }) => addresses.map(formatAddress))
    .join();

describe("a service", () => {
  test("is made by its first endpoint and has the endpoints of all hosts", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    await serve(h2, "c2");
    await settled(h1, h2);
    expect(shown(h1)).toEqual([expect.stringMatching(/^web 10\.0\.0\.\d+: c1 c2$/)]);
    expect(shown(h2)).toEqual(shown(h1));
    expect(h1.controller.services(h1.controller.network("red").id)).toEqual([]);
    const [service] = h2.controller.services(blue(h2));
    expect(service).toMatchObject({ networkName: "blue", name: "web", published: [] });
    expect(service?.backends.map(({ node, isLocal }) => `${node} ${isLocal}`).toSorted()).toEqual([
      "h1 false",
      "h2 true",
    ]);
  });

  test("has an address that is nobody else's", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    const [vip] = vipOf(h1);
    for (let number = 10; number < 40; number++) await run(h1, `a${number}x`);
    for (let number = 10; number < 40; number++) await run(h2, `b${number}x`);
    const all = [h1, h2].flatMap(({ controller }) =>
      [...controller.network("blue").endpoints.values()].flatMap(({ addresses }) =>
        addresses.map(formatAddress),
      ),
    );
    expect(all).not.toContain(vip);
    expect(new Set(all).size).toBe(61);
  });

  test("has an address of each family of its network", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(
      networkSpec("both", {
        driver: "overlay",
        enableIpv6: true,
        ipam: { driver: "", pools: [pool("10.9.0.0/24"), pool("2001:db8:9::/64")] },
      }),
    );
    await settled(h1, h2);
    await serve(h1, "c1", "web", { network: "both" });
    await settled(h1, h2);
    expect(vipOf(h2)).toEqual([expect.stringMatching(/^10\.9\.0\./), expect.stringMatching(/^2001:db8:9::/)]);
    expect(h1.controller.services()[0]?.vips.map(({ family }) => family)).toEqual([4, 6]);
    expect(balanced(h1)[0]?.split("; ")).toHaveLength(2);
  });

  test("is one and the same when two hosts begin it at once", async () => {
    const [h1, h2] = await two();
    await Promise.all([serve(h1, "c1"), serve(h2, "c2")]);
    await settled(h1, h2);
    expect(shown(h1)).toEqual([expect.stringMatching(/: c1 c2$/)]);
    expect(shown(h2)).toEqual(shown(h1));
    expect(await reserved(h1)).toBe(1);
  });

  test("ends with its last endpoint, and its address is free", async () => {
    const [h1, h2] = await two();
    const first = await serve(h1, "c1");
    await settled(h1, h2);
    const second = await serve(h2, "c2");
    await settled(h1, h2);
    const [vip] = vipOf(h1);
    await first.delete();
    await settled(h1, h2);
    expect(vipOf(h2)).toEqual([vip]);
    await second.delete();
    await settled(h1, h2);
    expect([...shown(h1), ...shown(h2), ...(await recordsOf(h1))]).toEqual([]);
    expect(await reserved(h1)).toBe(0);
  });

  test("goes on when its last endpoint goes and another comes at once", async () => {
    const [h1, h2] = await two();
    for (let round = 0; round < 8; round++) {
      const old = await serve(h1, `a${round}`);
      await settled(h1, h2);
      await old.delete();
      for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
      const fresh = await serve(h2, `b${round}`);
      await settled(h1, h2);
      expect(shown(h1)).toEqual([expect.stringMatching(new RegExp(`: b${round}$`))]);
      await fresh.delete();
      await settled(h1, h2);
      expect(await recordsOf(h1)).toEqual([]);
      expect(await reserved(h1)).toBe(0);
    }
  });

  test("waits for a store that is away, while its endpoint runs", async () => {
    const [h1, h2] = await two();
    await run(h1, "first");
    cluster().partition("h1");
    await serve(h1, "c1");
    await settled(h1, h2);
    expect(shown(h1)).toEqual([]);
    expect(asked(h1, "c1")).toHaveLength(1);
    await cluster().heal("h1");
    await settled(h1, h2);
    expect(shown(h2)).toEqual([expect.stringMatching(/: c1$/)]);
  });
});

describe("the name of a service", () => {
  test("is that of its address on every host, and not of its endpoints", async () => {
    const [h1, h2] = await two();
    await serve(h1, "web", "web", { aliases: ["Web", "db"] });
    await serve(h2, "c2");
    await settled(h1, h2);
    for (const world of [h1, h2]) {
      expect(asked(world, "web")).toEqual(vipOf(h1));
      expect(asked(world, "Web")).toEqual([]);
      expect(asked(world, "tasks.web")).toEqual([addressOf(h1, "web"), addressOf(h2, "c2")].toSorted());
      expect(asked(world, "db")).toEqual([addressOf(h1, "web")]);
      expect(asked(world, "c2")).toEqual([addressOf(h2, "c2")]);
    }
  });

  test("stays the address's when a container is renamed to it", async () => {
    const [h1, h2] = await two();
    const sandbox = await serve(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2);
    await sandbox.rename("web");
    await settled(h1, h2);
    expect(asked(h2, "web")).toEqual(vipOf(h1));
    expect(h1.controller.services()[0]?.backends[0]?.containerName).toBe("web");
    await sandbox.rename("other");
    await settled(h1, h2);
    expect(asked(h2, "other")).toEqual([addressOf(h1, "other")]);
  });

  test("is shared with a container of that name that is no endpoint of it", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await run(h2, "web");
    await settled(h1, h2);
    expect(asked(h1, "web")).toEqual([...vipOf(h1), addressOf(h2, "web")].toSorted());
  });

  test("goes with it", async () => {
    const [h1, h2] = await two();
    const sandbox = await serve(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2);
    expect(asked(h2, "web")).toHaveLength(1);
    await sandbox.delete();
    await settled(h1, h2);
    expect(asked(h2, "web")).toEqual([]);
  });

  test.each([
    ["a.b", "is not a label of the DNS"],
    ["-a", "is not a label of the DNS"],
    ["", "is not a label of the DNS"],
    ["a".repeat(64), "is not a label of the DNS"],
  ])("cannot be %j", async (name, why) => {
    const [h1] = await two();
    expect(await failure(serve(h1, "c1", name))).toBe(
      `invalid: invalid value for tsdocker.service: ${JSON.stringify(name)} ${why}`,
    );
  });

  test("is for networks of the cluster only", async () => {
    const [h1] = await two();
    await h1.controller.createNetwork(networkSpec("local"));
    const words =
      "invalid: tsdocker.service: network local is this host's alone, and services are a cluster's";
    expect(await failure(serve(h1, "c1", "web", { network: "local" }))).toBe(words);
    const driverOptions = { "tsdocker.service": "web" };
    expect(() => h1.controller.checkEndpoint(endpointSpec("local", { driverOptions }))).toThrow(
      words.slice("invalid: ".length),
    );
  });
});

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

describe("published ports", () => {
  const port = (publishedPort: number, targetPort = 80) =>
    ({ protocol: "tcp", publishedPort, targetPort }) as const;

  test("are known on every host until they are closed", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    const made = await h2.controller.publishService(blue(h2), "WEB", [port(8080), port(443, 443)]);
    expect(made.published).toEqual([port(443, 443), port(8080)]);
    await settled(h1, h2);
    expect(h1.controller.services()[0]?.published).toEqual(made.published);
    const fewer = await h1.controller.unpublishService(blue(h1), "web", [port(8080)]);
    expect(fewer.published).toEqual([port(443, 443)]);
  });

  test("are one service's each, of two that ask at once one gets it", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1", "web");
    await serve(h2, "c2", "api", { network: "red" });
    await settled(h1, h2);
    const both = await Promise.all([
      failure(h1.controller.publishService(blue(h1), "web", [port(8080)])),
      failure(h2.controller.publishService(h2.controller.network("red").id, "api", [port(8080)])),
    ]);
    expect(both.toSorted()).toEqual([
      expect.stringMatching(
        /^conflict: publish port 8080\/tcp: it is service (web's of network blue|api's of network red)$/,
      ),
      "no failure",
    ]);
    const published = h1.controller.services().flatMap((service) => service.published);
    expect(published).toEqual([port(8080)]);
  });

  test("are opened all or none", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1", "web");
    await serve(h1, "c2", "api");
    await settled(h1, h2);
    await h1.controller.publishService(blue(h1), "api", [port(81)]);
    expect(await failure(h1.controller.publishService(blue(h1), "web", [port(80), port(81)]))).toMatch(
      /^conflict: publish port 81\/tcp/,
    );
    expect(h1.controller.services().find(({ name }) => name === "web")?.published).toEqual([]);
    await h1.controller.publishService(blue(h1), "api", [port(80)]);
  });

  test("may be asked for again in the same way, and not in another", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    await h1.controller.publishService(blue(h1), "web", [port(8080)]);
    await h1.controller.publishService(blue(h1), "web", [port(8080), { ...port(8080), protocol: "udp" }]);
    expect(await failure(h1.controller.publishService(blue(h1), "web", [port(8080, 81)]))).toBe(
      "conflict: publish port 8080/tcp: the service has it already, for its port 80",
    );
    expect(await failure(h1.controller.unpublishService(blue(h1), "web", [port(8080, 81)]))).toBe(
      "not-found: service web does not publish port 8080/tcp",
    );
  });

  test("are refused where there is no such service, and with what is no port", async () => {
    const [h1] = await two();
    const publish = (name: string, ports: Parameters<typeof h1.controller.publishService>[2]) =>
      failure(h1.controller.publishService(blue(h1), name, ports));
    expect(await publish("web", [port(80)])).toBe("not-found: service web not found on network blue");
    expect(await publish("web", [])).toBe("invalid: publish a service: no port was given");
    expect(await publish("web", [port(0)])).toBe("invalid: publish a service: 0 is no port");
    expect(await publish("web", [port(80, 65_536)])).toBe("invalid: publish a service: 65536 is no port");
    expect(await publish("web", [port(80), port(80)])).toBe(
      "invalid: publish a service: port tcp/80 is there twice",
    );
    expect(await failure(h1.controller.publishService("nothing", "web", [port(80)]))).toMatch(/^not-found/);
  });

  test("wait for no store that is away", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    cluster().partition("h1");
    expect(await failure(h1.controller.publishService(blue(h1), "web", [port(80)]))).toBe(
      "unavailable: change the ports of service web: the cluster's store is away",
    );
  });

  test("keep a service without endpoints, and its address; with the last one it goes", async () => {
    const [h1, h2] = await two();
    const sandbox = await serve(h1, "c1");
    await settled(h1, h2);
    const [vip] = vipOf(h1);
    await h1.controller.publishService(blue(h1), "web", [port(8080)]);
    await sandbox.delete();
    await settled(h1, h2);
    expect(shown(h2)).toEqual([`web ${vip}: `]);
    const closed = await h2.controller.unpublishService(blue(h2), "web", [port(8080)]);
    expect(closed.published).toEqual([]);
    await settled(h1, h2);
    expect(await recordsOf(h1)).toEqual([]);
    expect(await reserved(h1)).toBe(0);
  });

  test("go with their network", async () => {
    const [h1, h2] = await two();
    const sandbox = await serve(h1, "c1");
    await settled(h1, h2);
    await h1.controller.publishService(blue(h1), "web", [port(8080)]);
    await sandbox.delete();
    await settled(h1, h2);
    await h2.controller.deleteNetwork("blue");
    await settled(h1, h2);
    expect([...shown(h1), ...(await recordsOf(h1))]).toEqual([]);
    await serve(h1, "c2", "api", { network: "red" });
    await settled(h1, h2);
    await h1.controller.publishService(h1.controller.network("red").id, "api", [port(8080)]);
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

test("a start that fails at any step leaves no name, no service and no address behind", async () => {
  const [h1, h2] = await two();
  await serve(h2, "c2", "api");
  await run(h1, "client");
  await settled(h1, h2);
  let failures = 0;
  for (let step = 1; step <= 30; step++) {
    h1.steps.failAt(step);
    const outcome = await failure(serve(h1, "c1"));
    h1.steps.failAt(undefined);
    if (outcome === "no failure") break;
    failures++;
    await settled(h1, h2);
    expect(shown(h2), outcome).toEqual([expect.stringMatching(/^api .*: c2$/)]);
    expect([...asked(h1, "c1"), ...asked(h2, "c1"), ...asked(h2, "web")], outcome).toEqual([]);
    expect(await reserved(h1), outcome).toBe(1);
  }
  expect(failures).toBeGreaterThan(5);
});

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
