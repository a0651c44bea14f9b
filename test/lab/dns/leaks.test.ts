// Security: what must never be asked outside. Every test has a name server that hears everything that leaves.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { setDnsRedirect } from "../../../src/kernel/nftables/index.ts";
import type { ProxyHandle, ResolverConfig, ResolverPorts } from "../../../src/proxy/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import { ip, proxyOn } from "../proxy/world.ts";
import { addresses, ask, type NameServer, nameServer } from "./world.ts";

interface World {
  readonly lab: Lab;
  readonly proxy: ProxyHandle;
  /** Of the host, and the only one it knows. */
  readonly sink: NameServer;
  readonly sandbox: LabHost;
}

/** A host with a name server that answers everything, and a sandbox; a peer c1 is on networks n1 and n2. */
async function world(lab: Lab): Promise<World & AsyncDisposable> {
  const lan = lab.segment("192.0.2.0/24");
  const [host, ns, sandbox] = [await lan.host("host"), await lan.host("ns"), await lab.host("sandbox")];
  const sink = await nameServer(ns, "192.0.2.2", ({ name }) => addresses(name, "203.0.113.66"));
  const proxy = await proxyOn(lab, host);
  for (const [networkId, networkName, names] of [
    ["n1", "inner", ["c1", "db"]],
    ["n2", "outer", ["c1", "www", "store"]],
  ] as const)
    await proxy.setRecord(networkId, {
      ...{ networkId, networkName, endpointId: networkId, names },
      addresses: [ip(networkId === "n1" ? "198.51.100.10" : "203.0.113.10")],
    });
  const end = async () => {
    await proxy.stop();
    await sink[Symbol.asyncDispose]();
  };
  return { lab, proxy, sink, sandbox, [Symbol.asyncDispose]: end };
}

/** With the sink among the servers all the same: that nobody asks is not for want of an address. */
async function resolver(
  { proxy, sandbox }: World,
  config: Partial<ResolverConfig> = {},
): Promise<ResolverPorts> {
  const upstreams = [{ address: ip("192.0.2.2"), from: "host" as const }];
  const whole = { networks: ["n1"], privateNames: {}, upstreams, forwards: false, ...config };
  const ports = await proxy.setResolver("s1", { netns: sandbox.netns, ...whole });
  if (!ports) throw new Error("no ports");
  return ports;
}

const types = ["A", "AAAA", "TXT", "MX", "SRV", "NS", "SOA", "PTR", "CNAME", "NULL", "DS", "DNSKEY"] as const;

async function expectNothing(
  { sandbox, sink }: World,
  { udp, tcp }: ResolverPorts,
  names: readonly string[],
): Promise<void> {
  for (const name of names)
    for (const type of types)
      for (const how of [{}, { tcp: true }, { udpSize: 4096 }] as const) {
        const { rcode, records } = await ask(sandbox, "tcp" in how ? tcp : udp, { name, type, ...how });
        expect([name, type, records]).toEqual([name, type, []]);
        expect(["NXDOMAIN", "NOERROR"]).toContain(rcode);
      }
  expect(sink.asked).toEqual([]);
}

test("an internal network's names are no way out: random labels, over UDP, TCP and EDNS, of any type", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  const labels = Array.from({ length: 5 }, (_, at) => `${"deadbeef".repeat(7)}${at}.exfil.example`);
  await expectNothing(it, await resolver(it), ["www.example.com", "com", ...labels]);
});

test("nor are its reverse zones", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  const six = `${"0.".repeat(31)}2.ip6.arpa`;
  const names = ["1.2.0.192.in-addr.arpa", "99.100.51.198.in-addr.arpa", "100.51.198.in-addr.arpa", six];
  await expectNothing(it, await resolver(it), names);
});

test("nor a peer's names, be the peer on a network with a way out too", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  const names = ["x.c1", "x.c1.inner", "x.db", "store", "www.outer", "c1.outer", "_x._tcp.c1", "x.inner"];
  await expectNothing(it, await resolver(it), names);
  const { udp } = await resolver(it);
  expect(await ask(it.sandbox, udp, { name: "c1" })).toMatchObject({ records: ["198.51.100.10"] });
});

test("nor a link's name", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  await expectNothing(it, await resolver(it, { privateNames: { mate: ["n2"] } }), ["x.mate", "gone.mate"]);
});

test("a sandbox that loses its way out asks nothing from then on, not even what is on its way", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  const open = await resolver(it, { forwards: true });
  expect(await ask(it.sandbox, open.udp, { name: "www.example.com" })).toMatchObject({
    records: ["203.0.113.66"],
  });
  it.sink.asked.length = 0;
  await expectNothing(it, await resolver(it), ["www.example.com", "ftp.example.com"]);
});

test("a single-label name never leaves a sandbox that may ask outside", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  const ports = await resolver(it, { forwards: true });
  await expectNothing(it, ports, ["secret", "c2", "db-of-stopped", "com", "localhost", "inner"]);
});

test("a container's name is never asked outside: not its services, not below its network, not once it has stopped", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  const ports = await resolver(it, { forwards: true });
  await expectNothing(it, ports, ["_http._tcp.c1", "_db._tcp.db.inner"]);
  await it.proxy.setRecord("n1", undefined);
  await expectNothing(it, ports, ["c1", "db"]);
});

test("the C library with a search list asks for a container's name first, and finds it", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  await setDnsRedirect(it.sandbox.netns, await resolver(it, { forwards: true }));
  const file = join(lab.folder, "resolv.conf");
  const lookUp = async (name: string, options: string): Promise<string> => {
    await writeFile(file, `nameserver 127.0.0.11\nsearch corp.example\noptions ${options}\n`);
    const script = `mount --bind ${file} /etc/resolv.conf && getent ahosts ${name} | head -1; rm -f ${file}`;
    return await it.sandbox.run("unshare", "-m", "sh", "-c", script);
  };
  expect(await lookUp("c1", "ndots:0")).toMatch(/^198\.51\.100\.10 /);
  expect(it.sink.asked).toEqual([]);
  // with the list it is another name, of two labels, and nobody's but the outside's: as the docs say
  expect(await lookUp("nobody", "ndots:0")).toMatch(/^203\.0\.113\.66 /);
  expect(new Set(it.sink.asked)).toEqual(
    new Set(["udp A nobody.corp.example", "udp AAAA nobody.corp.example"]),
  );
});

test("on an internal network a search list leads nowhere", async () => {
  await using lab = await Lab.create();
  await using it = await world(lab);
  await expectNothing(it, await resolver(it), ["nobody.corp.example", "c1.corp.example", "corp.example"]);
});
