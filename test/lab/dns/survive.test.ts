// Names while there is no daemon, and when it comes back.

import { expect, test } from "vitest";
import { setDnsRedirect } from "../../../src/kernel/nftables/index.ts";
import { startProxy } from "../../../src/proxy/index.ts";
import { Lab } from "../lab.ts";
import { controlPath, ip, proxyOptions } from "../proxy/world.ts";
import { addresses, ask, nameServer } from "./world.ts";

const c1 = {
  networkId: "n1",
  networkName: "x1",
  endpointId: "e1",
  names: ["c1"],
  addresses: [ip("198.51.100.10")],
};

test("no question is lost while one daemon leaves and the next tells the same again", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const [host, ns, sandbox] = [await lan.host("host"), await lan.host("ns"), await lab.host("sandbox")];
  await using _server = await nameServer(ns, "192.0.2.2", ({ name }) => addresses(name, "203.0.113.1"));
  const options = proxyOptions(host, controlPath(lab));
  const upstreams = [{ address: ip("192.0.2.2"), from: "host" as const }];
  const config = { netns: sandbox.netns, networks: ["n1"], privateNames: {}, upstreams, forwards: true };

  const first = await startProxy(options);
  await first.setRecord("e1", c1);
  const ports = await first.setResolver("s1", config);
  await setDnsRedirect(sandbox.netns, ports);

  let isOver = false;
  let answered = 0;
  const failures: unknown[] = [];
  const asking = async (name: string, record: string, tcp = false) => {
    while (!isOver) {
      const how = { name, ...(tcp && { tcp }) };
      const { records } = await ask(sandbox, 53, how).catch((error: unknown) => ({
        records: [String(error)],
      }));
      if (records[0] === record) answered++;
      else failures.push(records);
    }
  };
  const askers = [
    asking("c1", "198.51.100.10"),
    asking("c1", "198.51.100.10", true),
    asking("www.example.com", "203.0.113.1"),
  ];
  await expect.poll(() => answered).toBeGreaterThan(20);

  first.detach(); // as a daemon that is killed
  const alone = answered;
  await expect.poll(() => answered - alone).toBeGreaterThan(50);

  await using second = await startProxy(options);
  expect(second.pid).toBe(first.pid);
  await second.setRecord("e1", c1);
  expect(await second.setResolver("s1", config)).toEqual(ports);
  await setDnsRedirect(sandbox.netns, ports); // what an adopted sandbox does
  await second.sweep();
  const after = answered;
  await expect.poll(() => answered - after).toBeGreaterThan(50);
  isOver = true;
  await Promise.all(askers);
  expect(failures).toEqual([]);
  await expect.poll(() => second.counters()).toMatchObject({ resolvers: 1, records: 1, questions: 0 });
});

test("a server on a link-local address of one of the host's links is asked there", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
  const [host, ns, sandbox] = [await lan.host("host"), await lan.host("ns"), await lab.host("sandbox")];
  await ns.run("ip", "address", "add", "fe80::53/64", "dev", "eth0", "nodad");
  const answer = ({ name }: { readonly name: string }) => addresses(name, "203.0.113.1");
  await using server = await nameServer(ns, "::", answer);
  await using proxy = await startProxy(proxyOptions(host, controlPath(lab)));
  const index = JSON.parse(await host.run("ip", "-j", "link", "show", "eth0"))[0].ifindex;
  for (const zone of ["eth0", String(index)]) {
    const upstreams = [{ address: ip("fe80::53"), zone, from: "host" as const }];
    const whole = { netns: sandbox.netns, networks: [], privateNames: {}, upstreams, forwards: true };
    const ports = await proxy.setResolver("s1", whole);
    for (const tcp of [false, true]) {
      const port = (tcp ? ports?.tcp : ports?.udp) ?? 0;
      // the host's own link-local address is tentative at first
      const answer = async () => (await ask(sandbox, port, { name: "www.example.com", tcp })).records;
      await expect.poll(answer).toEqual(["203.0.113.1"]);
    }
  }
  expect(new Set(server.asked)).toEqual(new Set(["udp A www.example.com", "tcp A www.example.com"]));
  const upstreams = [{ address: ip("fe80::53"), zone: "gone0", from: "host" as const }];
  const none = { netns: sandbox.netns, networks: [], privateNames: {}, upstreams, forwards: true };
  const ports = await proxy.setResolver("s1", none);
  expect(await ask(sandbox, ports?.udp ?? 0, { name: "www.example.com" })).toMatchObject({
    rcode: "SERVFAIL",
  });
});
