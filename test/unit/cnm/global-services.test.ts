// Services over the hosts of a cluster: who makes and removes them, who is behind them, what their names are.

import { describe, expect, test } from "vitest";
import { formatAddress } from "../../../src/netip/index.ts";
import { endpointSpec, networkSpec, pool } from "../../lab/cnm/specs.ts";
import { asked, failure, run, serve } from "./global-hosts.ts";
import {
  addressOf,
  balanced,
  blue,
  recordsOf,
  reserved,
  shown,
  useHostsOfServices,
  vipOf,
} from "./service-world.ts";

const { cluster, settled, two } = useHostsOfServices();

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
