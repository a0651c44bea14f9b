// The resolver of a sandbox, asked from within it.

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildResolvConf, parseResolvConf } from "../../../src/dns/index.ts";
import type { ResolverConfig, Resolvers } from "../../../src/proxy/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import { ip, proxyOn } from "../proxy/world.ts";
import { addresses, ask, failure, nameServer } from "./world.ts";

/** A host with two name servers beside it, and a sandbox that only shares a LAN with a third. */
async function world(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24");
  const inner = lab.segment("198.51.100.0/24");
  const [host, ns1, ns2] = [await lan.host("host"), await lan.host("ns1"), await lan.host("ns2")];
  return { host, ns1, ns2, sandbox: await inner.host("sandbox"), ns3: await inner.host("ns3") };
}

async function resolve(resolvers: Resolvers, sandbox: LabHost, config: Partial<ResolverConfig> = {}) {
  const whole = { networks: ["n1"], privateNames: {}, upstreams: [], forwards: true };
  const ports = await resolvers.setResolver("s1", { netns: sandbox.netns, ...whole, ...config });
  if (!ports) throw new Error("no ports");
  return ports;
}

const c1 = {
  networkId: "n1",
  networkName: "x1",
  endpointId: "e1",
  names: ["c1", "0123456789ab"],
  addresses: [ip("198.51.100.10"), ip("2001:db8::10")],
};

const fromHost = (address: string) => ({ address: ip(address), from: "host" }) as const;

test("names of a sandbox's networks are answered over UDP and TCP, others are not its business", async () => {
  await using lab = await Lab.create();
  const { host, sandbox } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  await proxy.setRecord("e2", { ...c1, networkId: "n2", networkName: "x2", endpointId: "e2", names: ["c2"] });
  const ports = await resolve(proxy, sandbox);
  const ok = { rcode: "NOERROR", truncated: false, authoritative: true };
  for (const [port, tcp] of [
    [ports.udp, false],
    [ports.tcp, true],
  ] as const) {
    const answer = (name: string, type: "A" | "AAAA" | "PTR" | "MX" = "A") =>
      ask(sandbox, port, { name, type, tcp });
    expect(await answer("c1")).toEqual({ ...ok, records: ["198.51.100.10"] });
    expect(await answer("C1.x1", "AAAA")).toEqual({ ...ok, records: ["2001:db8::10"] });
    expect(await answer("c1", "MX")).toEqual({ ...ok, records: [] });
    expect(await answer("10.100.51.198.in-addr.arpa", "PTR")).toEqual({ ...ok, records: ["c1.x1"] });
    expect(await answer("c2")).toMatchObject({ rcode: "NXDOMAIN", records: [] });
  }
});

test("a name is answered as soon as it is set, and no longer than it is", async () => {
  await using lab = await Lab.create();
  const { host, sandbox } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  const { udp } = await resolve(proxy, sandbox);
  expect(await ask(sandbox, udp, { name: "c1" })).toMatchObject({ rcode: "NXDOMAIN" });
  await proxy.setRecord("e1", c1);
  expect(await ask(sandbox, udp, { name: "c1" })).toMatchObject({ records: ["198.51.100.10"] });
  await proxy.setRecord("e1", { ...c1, addresses: [ip("198.51.100.11")] });
  expect(await ask(sandbox, udp, { name: "c1" })).toMatchObject({ records: ["198.51.100.11"] });
  await proxy.setRecord("e1", undefined);
  expect(await ask(sandbox, udp, { name: "c1" })).toMatchObject({ rcode: "NXDOMAIN" });
});

test("each answer to a shared name has all its addresses, and each of them comes first in some", async () => {
  await using lab = await Lab.create();
  const { host, sandbox } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  const { udp } = await resolve(proxy, sandbox);
  const all = ["198.51.100.21", "198.51.100.22", "198.51.100.23"];
  for (const [at, address] of all.entries()) {
    const endpointId = `e${at}`;
    await proxy.setRecord(endpointId, { ...c1, endpointId, names: ["web"], addresses: [ip(address)] });
  }
  const first = new Set<string | undefined>();
  for (let asked = 0; asked < 100; asked++) {
    const { records } = await ask(sandbox, udp, { name: "web" });
    expect([...records].sort()).toEqual(all);
    first.add(records[0]);
  }
  expect([...first].sort()).toEqual(all); // one is missing once in 10^17
});

test("other names go to the host's server from the host and to the user's from the sandbox, by the same transport", async () => {
  await using lab = await Lab.create();
  const { host, ns1, ns3, sandbox } = await world(lab);
  await using outer = await nameServer(ns1, "192.0.2.2", ({ name }) => addresses(name, "203.0.113.1"));
  await using inner = await nameServer(ns3, "198.51.100.2", ({ name }) => addresses(name, "203.0.113.3"));
  await using proxy = await proxyOn(lab, host);
  let { udp, tcp } = await resolve(proxy, sandbox, { upstreams: [fromHost("192.0.2.2")] });
  expect(await ask(sandbox, udp, { name: "www.example.com" })).toMatchObject({ records: ["203.0.113.1"] });
  expect(await ask(sandbox, tcp, { name: "tcp.example.com", tcp: true })).toMatchObject({
    records: ["203.0.113.1"],
  });
  // a server that is slow to answer is asked twice
  expect(new Set(outer.asked)).toEqual(new Set(["udp A www.example.com", "tcp A tcp.example.com"]));
  const before = { udp, tcp };
  ({ udp, tcp } = await resolve(proxy, sandbox, {
    upstreams: [{ address: ip("198.51.100.2"), from: "sandbox" }],
  }));
  expect({ udp, tcp }).toEqual(before);
  expect(await ask(sandbox, udp, { name: "www.example.com" })).toMatchObject({ records: ["203.0.113.3"] });
  expect(await ask(sandbox, tcp, { name: "www.example.com", tcp: true })).toMatchObject({
    records: ["203.0.113.3"],
  });
  expect(new Set(inner.asked)).toEqual(new Set(["udp A www.example.com", "tcp A www.example.com"]));
});

test("nothing of one label, and nothing of a sandbox without a way out, is ever asked outside", async () => {
  await using lab = await Lab.create();
  const { host, ns1, sandbox } = await world(lab);
  await using outer = await nameServer(ns1, "192.0.2.2", ({ name }) => addresses(name, "203.0.113.1"));
  await using proxy = await proxyOn(lab, host);
  const upstreams = [fromHost("192.0.2.2")];
  const open = await resolve(proxy, sandbox, { upstreams });
  for (const type of ["A", "AAAA", "MX", "TXT"] as const)
    expect(await ask(sandbox, open.udp, { name: "secret", type })).toMatchObject({ rcode: "NXDOMAIN" });
  const closed = await resolve(proxy, sandbox, { upstreams, forwards: false });
  const names = ["secret.example.com", "2.2.0.192.in-addr.arpa", "_dns.resolver.arpa", "a.b.c.d"];
  for (const name of names)
    for (const type of ["A", "PTR", "TXT"] as const)
      for (const [port, tcp] of [
        [closed.udp, false],
        [closed.tcp, true],
      ] as const)
        expect(await ask(sandbox, port, { name, type, tcp, udpSize: 4096 })).toMatchObject({
          rcode: "NXDOMAIN",
        });
  expect(outer.asked).toEqual([]);
});

test("an answer that is too large for UDP says so, and comes whole over TCP", async () => {
  await using lab = await Lab.create();
  const { host, ns1, sandbox } = await world(lab);
  const many = Array.from({ length: 60 }, (_, at) => `203.0.113.${at}`);
  await using _outer = await nameServer(ns1, "192.0.2.2", ({ name }, transport) =>
    transport === "udp" ? { flags: 0x200 } : addresses(name, ...many),
  );
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", { ...c1, addresses: many.map(ip) });
  const { udp, tcp } = await resolve(proxy, sandbox, { upstreams: [fromHost("192.0.2.2")] });
  for (const name of ["c1", "big.example.com"]) {
    expect(await ask(sandbox, udp, { name })).toMatchObject({ truncated: true });
    const whole = await ask(sandbox, tcp, { name, tcp: true });
    expect(whole.records).toHaveLength(60);
    expect([...whole.records].sort()).toEqual([...many].sort());
  }
  expect(await ask(sandbox, udp, { name: "c1", udpSize: 4096 })).toMatchObject({ truncated: false });
});

test("a server that refuses, fails or is not there is passed over at once, a name that does not exist is final", async () => {
  await using lab = await Lab.create();
  const { host, ns1, ns2, sandbox } = await world(lab);
  await using first = await nameServer(ns1, "192.0.2.2", ({ name }) =>
    name.startsWith("none") ? failure(3) : failure(name.startsWith("broken") ? 2 : 5),
  );
  await using _second = await nameServer(ns2, "192.0.2.3", ({ name }) =>
    name.startsWith("broken.all") ? failure(2) : addresses(name, "203.0.113.2"),
  );
  await using proxy = await proxyOn(lab, host);
  const upstreams = [fromHost("192.0.2.2"), fromHost("192.0.2.3")];
  const { udp } = await resolve(proxy, sandbox, { upstreams });
  for (const name of ["www.example.com", "broken.example.com"])
    expect(await ask(sandbox, udp, { name })).toMatchObject({ records: ["203.0.113.2"] });
  expect(await ask(sandbox, udp, { name: "none.example.com" })).toMatchObject({ rcode: "NXDOMAIN" });
  expect(await ask(sandbox, udp, { name: "broken.all" })).toMatchObject({ rcode: "SERVFAIL" });
  // the second one knows an address of none.example.com too: nobody heard it
  const names = ["www.example.com", "broken.example.com", "none.example.com", "broken.all"];
  expect(new Set(first.asked)).toEqual(new Set(names.map((name) => `udp A ${name}`)));
  await first[Symbol.asyncDispose](); // its port is closed: the kernel of ns1 says so
  expect(await ask(sandbox, udp, { name: "www.example.com" })).toMatchObject({ records: ["203.0.113.2"] });
});

test("a silent server costs a moment at first and nothing once it is known, and is used again when it speaks", async () => {
  await using lab = await Lab.create();
  const { host, ns1, ns2, sandbox } = await world(lab);
  let isSilent = true;
  await using first = await nameServer(ns1, "192.0.2.2", ({ name }) =>
    isSilent ? undefined : addresses(name, "203.0.113.1"),
  );
  await using second = await nameServer(ns2, "192.0.2.3", ({ name }) => addresses(name, "203.0.113.2"));
  await using proxy = await proxyOn(lab, host);
  const upstreams = [fromHost("192.0.2.2"), fromHost("192.0.2.3")];
  const { udp } = await resolve(proxy, sandbox, { upstreams });
  for (let at = 0; at < 3; at++)
    expect(await ask(sandbox, udp, { name: `a${at}.example.com` })).toMatchObject({
      records: ["203.0.113.2"],
    });
  const [heard, since] = [first.asked.length, performance.now()];
  for (let at = 0; at < 5; at++) await ask(sandbox, udp, { name: `b${at}.example.com` });
  // a probe a second; where both are silent, which a slow machine may look like, the first is asked again after 400 ms
  const most = 1 + Math.floor((performance.now() - since) / 400);
  expect(first.asked.length - heard).toBeLessThanOrEqual(most);
  expect([...new Set(second.asked)].slice(-5)).toEqual(
    [0, 1, 2, 3, 4].map((at) => `udp A b${at}.example.com`),
  );
  isSilent = false;
  await expect
    .poll(async () => (await ask(sandbox, udp, { name: "c.example.com" })).records)
    .toEqual(["203.0.113.1"]);
});

test("with no server that answers the end is SERVFAIL, before the asker gives up", async () => {
  await using lab = await Lab.create();
  const { host, ns1, sandbox } = await world(lab);
  await using silent = await nameServer(ns1, "192.0.2.2", () => undefined);
  await using proxy = await proxyOn(lab, host);
  const none = await resolve(proxy, sandbox);
  expect(await ask(sandbox, none.udp, { name: "a.example.com" })).toMatchObject({ rcode: "SERVFAIL" });
  const { udp, tcp } = await resolve(proxy, sandbox, { upstreams: [fromHost("192.0.2.2")] });
  const [overUdp, overTcp] = await Promise.all([
    ask(sandbox, udp, { name: "a.example.com" }),
    ask(sandbox, tcp, { name: "b.example.com", tcp: true }),
  ]);
  expect([overUdp.rcode, overTcp.rcode]).toEqual(["SERVFAIL", "SERVFAIL"]);
  expect(silent.asked.filter((line) => line.startsWith("udp")).length).toBeGreaterThan(1); // it was asked again
});

test("a sandbox may listen on port 53 itself, on every address", async () => {
  await using lab = await Lab.create();
  const { host, sandbox } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  const before = await resolve(proxy, sandbox);
  await using _own = await nameServer(sandbox, "0.0.0.0", ({ name }) => addresses(name, "203.0.113.53"));
  expect(await ask(sandbox, 53, { name: "c1", server: "127.0.0.1" })).toMatchObject({
    records: ["203.0.113.53"],
  });
  expect(await ask(sandbox, before.udp, { name: "c1" })).toMatchObject({ records: ["198.51.100.10"] });
});

test("busybox and the C library resolve through it, behind the redirection of port 53", async () => {
  await using lab = await Lab.create();
  const { host, sandbox } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  const { udp, tcp } = await resolve(proxy, sandbox);
  const redirect = (protocol: string, port: number) =>
    `ip daddr 127.0.0.11 ${protocol} dport 53 dnat to 127.0.0.11:${port}\n`;
  const rules = `${redirect("udp", udp)}${redirect("tcp", tcp)}`;
  await sandbox.run("nft", `table ip t { chain out {\ntype nat hook output priority -100\n${rules}}\n}`);
  expect(await sandbox.run("busybox", "nslookup", "c1", "127.0.0.11")).toMatch(/198\.51\.100\.10/);
  expect(await sandbox.run("busybox", "nslookup", "198.51.100.10", "127.0.0.11")).toMatch(/c1\.x1/);
  const file = join(lab.folder, "resolv.conf");
  await writeFile(file, buildResolvConf({ host: parseResolvConf(""), mode: "internal" }).text);
  const withFile = `mount --bind ${file} /etc/resolv.conf && exec "$@"`;
  const run = (...command: string[]) => sandbox.run("unshare", "-m", "sh", "-c", withFile, "sh", ...command);
  expect(await run("getent", "ahosts", "c1.x1")).toMatch(/198\.51\.100\.10/);
  await expect(run("getent", "ahosts", "c2")).rejects.toThrow();
  await rm(file);
});

test("an ended resolver lets go of its sandbox", async () => {
  await using lab = await Lab.create();
  const { host, sandbox } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  const { udp } = await resolve(proxy, sandbox, {
    upstreams: [{ address: ip("198.51.100.2"), from: "sandbox" }],
  });
  await ask(sandbox, udp, { name: "c1" });
  await proxy.setResolver("s1", undefined);
  expect(await sandbox.run("ss", "-Hltun")).toBe("");
  expect(await proxy.setResolver("s1", undefined)).toBeUndefined();
});

test("a resolver moves along when another namespace is pinned at its path", async () => {
  await using lab = await Lab.create();
  const { host, sandbox, ns3 } = await world(lab);
  await using proxy = await proxyOn(lab, host);
  await proxy.setRecord("e1", c1);
  await resolve(proxy, sandbox);
  const { udp } = await resolve(proxy, ns3);
  expect(await ask(ns3, udp, { name: "c1" })).toMatchObject({ records: ["198.51.100.10"] });
  expect(await sandbox.run("ss", "-Hltun")).toBe("");
  await expect(resolve(proxy, { netns: "/run/no-such-netns" } as LabHost)).rejects.toThrow(/no-such-netns/);
  expect(await ask(ns3, udp, { name: "c1" })).toMatchObject({ records: ["198.51.100.10"] });
});
