// A cluster that hosts make by themselves: members that die, come back, leave and are removed.

import { expect, test } from "vitest";
import { isSettled, MemberSite } from "./member-site.ts";

test("the first host makes a cluster, the second stays a node, with the third all three are members", async () => {
  await using site = await MemberSite.create();
  const [first, second, third] = [await site.host("h1"), await site.host("h2"), await site.host("h3")];
  await first.call("init", { advertise: "eth0" });
  expect(await first.state()).toMatchObject({ store: "connected", seats: { h1: "member" }, trouble: null });

  const token = await first.token();
  await second.join(token, first);
  expect(await second.state()).toMatchObject({ store: "connected", cluster: { role: "node" }, etcdPid: 0 });
  expect(await first.members()).toHaveLength(1);

  await third.join(token, first);
  for (const host of [first, second, third]) await host.until(({ cluster }) => isSettled(cluster));
  const members = await third.members();
  expect(members.map(({ isLearner }) => isLearner)).toEqual([false, false, false]);
  expect((await third.state()).cluster?.members.map(({ address }) => address).sort()).toEqual([
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
  ]);
  await second.call("put", { key: "seen" });
  await expect.poll(() => third.call("read", { key: "seen" })).toBe("seen");
});
