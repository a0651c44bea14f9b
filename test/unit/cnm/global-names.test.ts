// Names of endpoints over the hosts of a cluster, as resolvers are told of them.

import { describe, expect, test } from "vitest";
import { keyOn } from "../../../src/cnm/global/records.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { endpointSpec } from "../../lab/cnm/specs.ts";
import type { FakeWorld } from "./fakes.ts";
import { asked, idOf, run, stop, useCluster } from "./global-hosts.ts";

const { cluster, hosts, settled, start } = useCluster();

async function three() {
  const [h1, h2, h3] = await hosts(3);
  if (!h1 || !h2 || !h3) throw new Error("there are not three hosts");
  return [h1, h2, h3] as const;
}

const addressOf = (world: FakeWorld, name: string) =>
  [...world.controller.network("blue").endpoints.values()]
    .filter(({ record }) => record.containerName === name)
    .flatMap(({ addresses }) => addresses.map(formatAddress))
    .join();

describe("a container's name", () => {
  test("is known on every host that uses its network, and on no other", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2, h3);
    expect(asked(h2, "c1")).toEqual([addressOf(h1, "c1")]);
    expect(asked(h1, "c2")).toEqual([addressOf(h2, "c2")]);
    expect(asked(h2, idOf("c1").slice(0, 12))).toEqual([addressOf(h1, "c1")]);
    expect(h3.resolvers.records.size).toBe(0);
  });

  test("is known to a host before the first container there is on the network", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    await settled(h1, h2, h3);
    const join = h2.overlay.join.bind(h2.overlay);
    const known: string[][] = [];
    h2.overlay.join = async (request) => {
      known.push(asked(h2, "c1"));
      return await join(request);
    };
    await run(h2, "c2");
    expect(known).toEqual([[addressOf(h1, "c1")]]);
  });

  test("is known on its own host although the store is away, and elsewhere when it is back", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2, h3);
    cluster().partition("h1");
    await run(h1, "c3");
    expect(asked(h1, "c3")).toEqual([addressOf(h1, "c3")]);
    await settled(h2, h3);
    expect(asked(h2, "c3")).toEqual([]);
    await cluster().heal("h1");
    await settled(h1, h2, h3);
    expect(asked(h2, "c3")).toEqual([addressOf(h1, "c3")]);
  });

  test("goes with the container, by disconnecting it, and comes by connecting it", async () => {
    const [h1, h2, h3] = await three();
    await run(h2, "c2");
    const sandbox = await run(h1, "c1", { aliases: ["db"] });
    await sandbox.connect(endpointSpec("red", { aliases: ["cache"] }));
    await run(h2, "c4", { network: "red" });
    await settled(h1, h2, h3);
    expect(asked(h2, "cache", "red")).toHaveLength(1);
    await sandbox.disconnect("red");
    await settled(h1, h2, h3);
    expect(asked(h2, "cache", "red")).toEqual([]);
    expect(asked(h2, "db")).toHaveLength(1);
    await sandbox.delete();
    await settled(h1, h2, h3);
    expect(asked(h2, "db")).toEqual([]);
  });

  test("follows a rename, and reverse look-ups do", async () => {
    const [h1, h2, h3] = await three();
    await run(h2, "c2");
    const sandbox = await run(h1, "c1");
    await settled(h1, h2, h3);
    await sandbox.rename("other");
    await settled(h1, h2, h3);
    expect(asked(h2, "other")).toEqual([addressOf(h1, "other")]);
    const first = [...h2.resolvers.records.values()].map(({ names }) => names[0]);
    expect(first.toSorted()).toEqual(["c2", "other"]);
  });

  test("is forgotten by a host whose last container leaves the network", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    const sandbox = await run(h2, "c2");
    await settled(h1, h2, h3);
    await sandbox.delete();
    await settled(h1, h2, h3);
    expect(h2.resolvers.records.size).toBe(0);
    await run(h2, "c2");
    expect(asked(h2, "c1")).toEqual([addressOf(h1, "c1")]);
  });
});

describe("a host whose lease ends", () => {
  test("takes its names along, and brings them back", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1", { aliases: ["web"] });
    await run(h2, "c2", { aliases: ["web"] });
    await run(h3, "c3");
    await settled(h1, h2, h3);
    expect(asked(h3, "web")).toEqual([addressOf(h1, "c1"), addressOf(h2, "c2")].toSorted());
    cluster().partition("h1");
    cluster().endLease("h1");
    await settled(h2, h3);
    expect(asked(h3, "web")).toEqual([addressOf(h2, "c2")]);
    expect(asked(h3, "c1")).toEqual([]);
    await cluster().heal("h1");
    await settled(h1, h2, h3);
    expect(asked(h3, "web")).toHaveLength(2);
  });

  test("leaves what others of it know in force where the store is away too", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2, h3);
    cluster().partition("h2");
    cluster().endLease("h1");
    await settled(h1, h3);
    expect(asked(h2, "c1")).toEqual([addressOf(h1, "c1")]);
    await cluster().heal("h2");
    await settled(h1, h2, h3);
    expect(asked(h2, "c1")).toEqual([]);
  });

  test("for good leaves nothing on record", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2, h3);
    await cluster().removeNode("h1");
    await settled(h2, h3);
    const table = await h2.node.table("endpoint-names");
    expect([...table.entries()]).toHaveLength(1);
    expect(asked(h2, "c1")).toEqual([]);
  });
});

describe("a daemon that starts again", () => {
  test("serves the names of other hosts before it is done, and has what a crash left taken off the record", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    await run(h2, "c2");
    await run(h2, "c4");
    await settled(h1, h2, h3);
    await stop(h2);
    const again = await start(h2.node, { after: h2, live: new Set([idOf("c2")]) });
    expect(asked(again, "c1")).toEqual([addressOf(h1, "c1")]);
    expect(asked(again, "c2")).toHaveLength(1);
    await settled(h1, again, h3);
    expect(asked(h1, "c2")).toHaveLength(1);
    expect(asked(h1, "c4")).toEqual([]);
  });

  test("without its store knows the names that it knew", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2, h3);
    cluster().partition("h2");
    await stop(h2);
    const again = await start(h2.node, { after: h2, live: new Set([idOf("c2")]) });
    expect(asked(again, "c1")).toEqual([addressOf(h1, "c1")]);
  });

  test("keeps one that was ill out of shared names until its check says otherwise", async () => {
    const [h1, h2, h3] = await three();
    await run(h1, "c1");
    h2.controller.setReady(idOf("c2"), false);
    await run(h2, "c2");
    await settled(h1, h2, h3);
    await stop(h2);
    const again = await start(h2.node, { after: h2, live: new Set([idOf("c2")]) });
    expect(asked(again, "c2")).toEqual([`${addressOf(again, "c2")}?`]);
    again.controller.setReady(idOf("c2"), true);
    await settled(h1, again, h3);
    expect(asked(h1, "c2")).toEqual([addressOf(again, "c2")]);
  });
});

describe("a container with a health check", () => {
  test("is known to be ill on every host, and to be well again", async () => {
    const [h1, h2, h3] = await three();
    h1.controller.setReady(idOf("c1"), false);
    await run(h1, "c1", { aliases: ["web"] });
    await run(h2, "c2", { aliases: ["web"] });
    await settled(h1, h2, h3);
    const [sick, well] = [addressOf(h1, "c1"), addressOf(h2, "c2")];
    for (const world of [h1, h2]) expect(asked(world, "web")).toEqual([`${sick}?`, well].toSorted());
    h1.controller.setReady(idOf("c1"), true);
    await settled(h1, h2, h3);
    for (const world of [h1, h2]) expect(asked(world, "web")).toEqual([sick, well].toSorted());
  });

  test("is announced no more once its names were withdrawn, whatever its check says", async () => {
    const [h1, h2, h3] = await three();
    const sandbox = await run(h1, "c1");
    await run(h2, "c2");
    await settled(h1, h2, h3);
    await sandbox.withdrawNames();
    h1.controller.setReady(idOf("c1"), false);
    await settled(h1, h2, h3);
    expect([...asked(h1, "c1"), ...asked(h2, "c1")]).toEqual([]);
  });
});

test("a host that leaves knows no names any more, and nobody knows its own", async () => {
  const [h1, h2, h3] = await three();
  const world = await start(await cluster().addNode("h4"));
  await run(h1, "c1");
  const sandbox = await run(world, "c4");
  await settled(h1, h2, h3, world);
  expect(asked(world, "c1")).toHaveLength(1);
  await sandbox.delete();
  await settled(h1, h2, h3, world);
  expect(world.resolvers.records.size).toBe(0);
  expect(asked(h1, "c4")).toEqual([]);
});

test("a name that somebody else wrote over is written again", async () => {
  const [h1, h2, h3] = await three();
  await run(h1, "c1");
  await run(h2, "c2");
  await settled(h1, h2, h3);
  const { id } = h1.controller.network("blue");
  const table = await h2.node.table("endpoint-names");
  for (const { key } of [...table.entries(keyOn(id, ""))]) await table.delete(key);
  await settled(h1, h2, h3);
  expect(asked(h2, "c1")).toEqual([addressOf(h1, "c1")]);
});
