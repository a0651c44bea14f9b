// Packets from outside that lie about where they come from, written by a neighbour of the host.

import { expect, test } from "vitest";
import { addresses } from "./addresses.ts";
import { ethernet, etherType, udp } from "./frames.ts";
import type { Host } from "./lab.ts";
import { allow, bridge, publish } from "./rules.ts";
import type { Wall } from "./suite.ts";
import type { Town } from "./town.ts";
import { Wire } from "./wire.ts";

export function outsiderSuite(family: 4 | 6, town: () => Town, wall: Wall): void {
  const at = addresses[family];
  const type = family === 4 ? etherType.ipv4 : etherType.ipv6;

  /** Whether c1 hears datagrams that the attacker sends from these sources. */
  async function heardFrom(sources: readonly string[], to: string, port: number): Promise<boolean[]> {
    const { attacker, host, c1 } = town();
    await using wire = await Wire.open(attacker);
    await using ear = await Wire.open(c1);
    const [own, router] = await Promise.all([macOf(attacker, "eth0"), macOf(host, "eth1")]);
    const datagrams = [...sources, at.attacker].map((source, index) => {
      const text = `from ${source} ${to} ${index}`;
      return {
        text: Buffer.from(text),
        frame: ethernet(own, router, type, udp(source, 5000, to, port, text)),
      };
    });
    wire.send(...datagrams.map(({ frame }) => frame));
    const last = datagrams.at(-1);
    if (last) await ear.hear(last.text);
    return datagrams.slice(0, -1).map(({ text }) => ear.hasHeard(text));
  }

  test("spoofed sources: nobody outside passes for a container's neighbour, its gateway or the host at a published port", async () => {
    await using _ = await wall(
      bridge("br1"),
      bridge("br2"),
      publish("8080", at.c1, "80", { protocol: "udp" }),
    );
    const lies = [at.c2, at.c1, at.gateway1, at.otherHost];
    expect(await heardFrom(lies, at.otherHost, 8080)).toEqual([false, false, false, false]);
  });

  test("spoofed sources: nobody outside passes for a neighbour in a routed network", async () => {
    await using _ = await wall(
      bridge("br1", { gatewayMode: { 4: "routed", 6: "routed" }, source: { 4: "keep", 6: "keep" } }),
      { ...allow(at.c1, "80"), protocol: "udp" },
    );
    expect(await heardFrom([at.c2, at.gateway1, at.otherHost], at.c1, 80)).toEqual([false, false, false]);
  });

  test("unpublished ports through routing stay closed whatever the source says", async () => {
    await using _ = await wall(
      bridge("br1"),
      bridge("br2"),
      publish("8080", at.c1, "80", { protocol: "udp" }),
    );
    const { attacker, host, c1, peer } = town();
    await using wire = await Wire.open(attacker);
    await using ear = await Wire.open(c1);
    const [own, router] = await Promise.all([macOf(attacker, "eth0"), macOf(host, "eth1")]);
    const sources = [at.attacker, at.peer, at.c2, at.c3, at.guest, at.gateway1, at.host];
    for (const source of sources)
      for (const port of [80, 81])
        wire.send(ethernet(own, router, type, udp(source, 6000, at.c1, port, "not published")));
    expect(await attacker.ask({ to: at.otherHost, port: 8080, protocol: "udp" })).toBe(
      `c1:80 ${at.attacker}`,
    );
    expect(await peer.ask({ to: at.host, port: 8080, protocol: "udp" })).toBe(`c1:80 ${at.peer}`);
    expect(ear.hasHeard(Buffer.from("not published"))).toBe(false);
  });
}

async function macOf(host: Host, link: string): Promise<string> {
  const [, mac] = /link\/ether (\S+)/.exec(await host.run(`ip link show dev ${link}`)) ?? [];
  if (!mac) throw new Error(`${host.name} has no ${link}`);
  return mac;
}
