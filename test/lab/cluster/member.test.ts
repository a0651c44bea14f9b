// A cluster that hosts make by themselves: members that die, come back, leave and are removed.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isSettled, type MemberHost, MemberSite } from "./member-site.ts";

const connected = ({ store }: { readonly store: string | null }) => store === "connected";
let keys = 0;

/** What one host writes another one reads. */
async function expectAgreement(from: MemberHost, to: MemberHost): Promise<void> {
  const key = `key-${++keys}`;
  await expect.poll(() => from.call("put", { key }).then(() => true, String)).toBe(true);
  await expect.poll(() => to.call("read", { key })).toBe(key);
}

/** Of the certificate that a port shows to a host of the cluster. */
async function shownSerial(from: MemberHost, to: MemberHost, port: number): Promise<string> {
  const own = join(from.folder, "cluster/trust/host.pem");
  const line = `openssl s_client -connect ${to.address}:${port} -cert ${own} -key ${own} </dev/null 2>/dev/null | openssl x509 -noout -serial`;
  return (await from.lab.run("sh", "-c", line)).trim().replace("serial=", "");
}

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
  const { cluster } = await third.until((state) => state.cluster?.members.length === 3);
  expect(cluster?.members.map(({ address }) => address).sort()).toEqual([
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
  ]);
  await expectAgreement(second, third);
});

describe("of three members", () => {
  let site: MemberSite;
  let hosts: Awaited<ReturnType<MemberSite["cluster"]>>;
  beforeAll(async () => {
    site = await MemberSite.create();
    hosts = await site.cluster(4);
  });
  afterAll(() => site?.[Symbol.asyncDispose]());
  // a test that failed may have left one without its daemon
  beforeEach(async () => {
    for (const host of hosts) if (!host.isRunning) await host.start();
  });

  test("any etcd that is killed is back, the leader's too, and the others go on meanwhile", async () => {
    for (const [index, host] of hosts.slice(0, 3).entries()) {
      const { etcdPid } = await host.until((state) => state.etcdPid !== 0);
      process.kill(etcdPid, "SIGKILL");
      await expectAgreement(hosts[(index + 1) % 3] ?? hosts[0], hosts[(index + 2) % 3] ?? hosts[0]);
      const after = await host.until(
        (state) => state.etcdPid !== 0 && state.etcdPid !== etcdPid && connected(state),
      );
      expect(after.removed).toBeNull();
      await expectAgreement(host, hosts[3] ?? host);
    }
  });

  test("an etcd outlives its daemon's death, and the next daemon takes it over", async () => {
    const [, host, other] = hosts;
    const { etcdPid } = await host.until((state) => state.etcdPid !== 0);
    await host.kill();
    expect(await host.etcdProcesses()).toEqual([etcdPid]);
    await host.start();
    expect(await host.until(connected)).toMatchObject({ etcdPid, trouble: null });
    // it is watched though it is not the daemon's own child
    process.kill(etcdPid, "SIGKILL");
    await host.until((state) => state.etcdPid !== 0 && state.etcdPid !== etcdPid && connected(state));
    await expectAgreement(host, other);
  });

  test("an etcd is left running by a daemon that is to be followed by another, and ended by one that is not", async () => {
    const [host, other] = hosts;
    const { etcdPid } = await host.state();
    await host.stop({ keepEtcd: true });
    expect(await host.etcdProcesses()).toEqual([etcdPid]);
    await host.start();
    expect((await host.until(connected)).etcdPid).toBe(etcdPid);
    await host.stop({ keepEtcd: false });
    expect(await host.etcdProcesses()).toEqual([]);
    await expectAgreement(other, hosts[2]);
    await host.start();
    await host.until(connected);
  });

  test("all may go down and come back in any order", async () => {
    for (const host of hosts) await host.stop({ keepEtcd: false });
    await Promise.all([...hosts].reverse().map((host) => host.start()));
    for (const host of hosts) await host.until(connected);
    await expectAgreement(hosts[0], hosts[3] ?? hosts[0]);
  });

  test("each has a new certificate when it wants one, and etcd and the join port show it at once", async () => {
    const [first, , , node] = hosts;
    if (!node) throw new Error("four hosts");
    for (const host of hosts) {
      const { serial } = await host.state();
      await host.call("renew");
      expect((await host.state()).serial).not.toBe(serial);
    }
    for (const port of [2377, 2379])
      expect(await shownSerial(node, first, port)).toBe((await first.state()).serial);
    await expectAgreement(node, first);
  });

  test("a node renews its certificate by itself when its time has come", async () => {
    const node = hosts[3];
    if (!node) throw new Error("four hosts");
    const { serial } = await node.state();
    await node.call("setClock", { aheadMs: 60 * 86_400_000 });
    await node.until((state) => state.serial !== serial);
    await node.call("setClock", { aheadMs: 0 });
    await expectAgreement(node, hosts[0]);
  });

  test("the state of each is known", async () => {
    const [first, second] = hosts;
    const status = () => first.call("status");
    await expect.poll(status).toMatchObject({ voters: 3, healthy: 3, tolerates: 1, warnings: [] });
    await second.stop({ keepEtcd: false });
    await expect.poll(status).toMatchObject({
      voters: 3,
      healthy: 2,
      tolerates: 0,
      warnings: [expect.stringMatching(/^member h2 at 192\.0\.2\.2 does not answer/)],
    });
    await second.start();
    await second.until(connected);
  });

  test("any admits, the first one's death notwithstanding", async () => {
    const [first, second, third] = hosts;
    const token = await first.token();
    await first.kill();
    await first.killEtcd();
    await second.until(connected);
    const late = await site.host("late");
    await expect.poll(() => late.join(token, third).then(() => true, String)).toBe(true);
    await expectAgreement(late, second);
    await first.start();
    await first.until(connected);
    await late.call("leave", {});
  });

  test("one that is dead is removed, another host takes its seat, and it finds out when it is back", async () => {
    const [first, , third, fourth] = hosts;
    if (!fourth) throw new Error("four hosts");
    const { nodeId } = await third.state();
    await expect(first.call("remove", { nodeId })).rejects.toMatchObject({
      kind: "conflict",
      message: expect.stringContaining("it is alive: leave the cluster there, or remove it with force"),
    });
    await third.kill();
    await third.killEtcd();
    await expect.poll(() => first.call("remove", { nodeId }).then(() => true, String)).toBe(true);
    await fourth.until(({ cluster }) => isSettled(cluster), 60_000);
    expect((await first.members()).map(({ name }) => name)).not.toContain(nodeId);
    await third.start();
    const { removed } = await third.until((state) => state.removed !== null, 60_000);
    expect(removed).toMatch(/removed/);
    await expectAgreement(first, fourth);
    await third.call("leave", { force: true });
    expect(await third.files()).toEqual({ "identity.json": "600" });
    expect((await third.state()).nodeId).toBe(nodeId);
    // and is welcome again
    await third.join(await first.token(), first);
    await expectAgreement(third, first);
  });

  test("one leaves, another host takes its seat, and nothing of the cluster stays there", async () => {
    const [first, second, third] = hosts;
    await second.call("leave", {});
    expect(await second.files()).toEqual({ "identity.json": "600" });
    expect(await second.etcdProcesses()).toEqual([]);
    await third.until(({ cluster }) => isSettled(cluster), 120_000);
    await expectAgreement(first, third);
    // a host that leaves gives etcd a moment to let go of it, and the others do it later
    const votes = async () => (await first.members()).filter(({ isLearner }) => !isLearner);
    await expect.poll(votes).toHaveLength(3);
  }, 150_000);

  test("no secret is in a log or in a file that others can read", async () => {
    for (const host of hosts) {
      const log = await host.log();
      expect(log).not.toMatch(/PRIVATE KEY|TSDKR-1-/);
      const etcdLog = await readFile(join(host.folder, "cluster/etcd.log"), "utf8").catch(() => "");
      expect(etcdLog).not.toMatch(/PRIVATE KEY|TSDKR-1-/);
      const modes = Object.entries(await host.files()).filter(([path]) => !path.startsWith("etcd/"));
      expect(modes.filter(([, mode]) => mode !== "600")).toEqual([]);
    }
  });
});

describe("a host that cannot be a member", () => {
  test("joins as a plain node when etcd is not installed, and not at all if it was to be a member", async () => {
    await using site = await MemberSite.create();
    const [first, bare] = [await site.host("h1"), await site.host("h2", { etcd: "/nonexistent/etcd" })];
    await first.call("init", {});
    const token = await first.token();
    await expect(bare.join(token, first, { wish: "member" })).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("etcd is not installed: apt-get install etcd-server"),
    });
    await bare.join(token, first);
    expect((await bare.state()).cluster).toMatchObject({ role: "node", wish: "node" });
  });

  test("says so, keeps nothing of what members have, and the cluster does not need its vote", async () => {
    await using site = await MemberSite.create();
    const [first, second] = [await site.host("h1"), await site.host("h2")];
    await using _ = await second.lab.listen("0.0.0.0", 2380);
    await first.call("init", {});
    const token = await first.token();
    await second.join(token, first);
    const third = await site.host("h3");
    await third.join(token, first);
    // whichever of the members it asks
    const logs = async () => (await first.log()) + (await third.log());
    await expect
      .poll(logs)
      .toMatch(/2380: the port is in use by another program.*a host cannot become a member/);
    await first.until(({ seats }) => seats.h2 === "node");
    await second.until(({ cluster }) => cluster?.role === "node");
    await expectAgreement(first, second);
    expect(await second.files()).not.toHaveProperty("trust/authority.key");
  });

  test("is given up when its etcd never comes up", async () => {
    await using site = await MemberSite.create();
    const script = join(site.folder, "etcd");
    await writeFile(script, "#!/bin/sh\nexec sleep 1000\n", { mode: 0o755 });
    const [first, second] = [await site.host("h1"), await site.host("h2", { etcd: script })];
    await first.call("init", {});
    const token = await first.token();
    await second.join(token, first);
    const third = await site.host("h3");
    await third.join(token, first);
    // each member looks after the others; the third may be one by now
    const logs = async () => (await Promise.all([first.log(), third.log()])).join("");
    await expect.poll(logs, { timeout: 40_000 }).toContain("a new member did not come up: removing it");
    await second.until(({ cluster, seats }) => seats.h2 === "node" && cluster?.role === "node");
    await expectAgreement(first, second);
    expect(await second.files()).not.toHaveProperty("trust/authority.key");
  });
});

test("the cluster's last member leaves only by force, and then nothing is left", async () => {
  await using site = await MemberSite.create();
  const [first, second] = [await site.host("h1"), await site.host("h2")];
  await first.call("init", {});
  await second.join(await first.token(), first);
  await expect(first.call("leave", {})).rejects.toMatchObject({
    kind: "conflict",
    message: expect.stringContaining("this host is its only member, and 1 other host would be without it"),
  });
  await expectAgreement(first, second);
  await second.call("leave", {});
  await expect(first.call("leave", {})).rejects.toThrow("it ends with this host, its last: leave with force");
  await first.call("leave", { force: true });
  for (const host of [first, second])
    expect(
      (await host.log()).split("\n").filter((line) => /^\[\d+,"(warn|error)"/.test(line)),
      "nothing was wrong",
    ).toEqual([]);
  expect(await first.files()).toEqual({ "identity.json": "600" });
  expect(await first.state()).toMatchObject({ cluster: null, etcdPid: 0 });
  await first.call("init", {});
  expect(await first.state()).toMatchObject({ store: "connected" });
});

test("a store that is full says so, to those who write and in the status, and recovers when the alarm is gone", async () => {
  await using site = await MemberSite.create();
  const first = await site.host("h1");
  await first.call("init", {});
  await first.call("put", { key: "before" });
  await first.call("raiseAlarm");
  await expect(first.call("put", { key: "meanwhile" })).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("the store is out of space (alarm NOSPACE): compact and defragment"),
  });
  expect(await first.call("read", { key: "before" })).toBe("before");
  expect(await first.state()).toMatchObject({ store: "connected", trouble: null });
  await expect
    .poll(() => first.call("status"))
    .toMatchObject({
      healthy: 1,
      warnings: [expect.stringMatching(/^the store is out of space \(alarm NOSPACE on h1\)/)],
    });
  await first.call("disarm");
  await first.call("put", { key: "after" });
  await expect.poll(() => first.call("status")).toMatchObject({ healthy: 1, warnings: [] });
});

test("a cluster may live on IPv6 alone", async () => {
  await using site = await MemberSite.create();
  const [first, second] = [await site.host("h1"), await site.host("h2")];
  await first.call("init", { advertise: "[2001:db8::1]:2400" });
  await second.call("join", {
    token: await first.token(),
    remotes: ["[2001:db8::1]:2400"],
    advertise: "2001:db8::2",
  });
  await expectAgreement(second, first);
});
