// What containers reach of the host itself: everything, its published ports, or nothing, at each of its addresses.

import { expect, test } from "vitest";
import { addresses } from "./addresses.ts";
import { silence } from "./lab.ts";
import { bridge, open, publish } from "./rules.ts";
import type { Wall } from "./suite.ts";
import type { Town } from "./town.ts";

/** `tsdocker.host_access` for c3's network; c1, which serves 8080 of the host, is on another. */
export function hostAccessSuite(family: 4 | 6, town: () => Town, wall: Wall): void {
  const at = addresses[family];
  const own = [at.gateway2, at.gateway1, at.gateway9, at.host, at.otherHost];
  const published = [publish("8080", at.c1, "80"), publish("8080", at.c1, "80", { protocol: "udp" })];

  test("host services reached through the gateway address: open unless the network is closed to them", async () => {
    await using _ = await wall(bridge("br1"), bridge("br2"), ...published);
    for (const to of own) expect(await town().c3.ask({ to, port: 81 })).toBe(`host:81 ${at.c3}`);
  });

  test("host services reached through the gateway address: closed to a network that gets the ports alone", async () => {
    await using _ = await wall(bridge("br1"), bridge("br2", { hostAccess: "ports" }), ...published);
    const { c3, host } = town();
    await Promise.all([
      ...own.flatMap((to) => [silence(c3, to, 81), silence(c3, to, 81, "udp")]),
      expect(c3.run(`busybox ping -c 1 -W 1 ${at.gateway2}`)).rejects.toThrow("0 packets received"),
    ]);
    for (const to of own)
      for (const protocol of ["tcp", "udp"] as const)
        expect(await c3.ask({ to, port: 8080, protocol })).toBe(`c1:80 ${at.gateway1}`);
    expect(await host.ask({ to: at.c3, port: 80 })).toBe(`c3:80 ${at.gateway2}`);
    expect(await c3.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.host}`);
  });

  test("published ports that the forwarder serves are open to such a network too", async () => {
    await using _ = await wall(bridge("br1"), bridge("br2", { hostAccess: "ports" }), open("81", family));
    const { c3 } = town();
    expect(await c3.ask({ to: at.host, port: 81 })).toBe(`host:81 ${at.c3}`);
    await Promise.all([silence(c3, at.host, 80), silence(c3, at.host, 81, "udp")]);
  });

  test("host services reached through the gateway address: closed to a network that gets nothing", async () => {
    await using _ = await wall(
      bridge("br1"),
      bridge("br2", { hostAccess: "none" }),
      ...published,
      open("81", family),
    );
    const { c1, c3, host, peer } = town();
    await Promise.all([
      ...own.flatMap((to) => [silence(c3, to, 81), silence(c3, to, 81, "udp"), silence(c3, to, 8080)]),
      silence(c3, at.host, 8080, "udp"),
    ]);
    // finding the gateway's MAC, answers, and the way out are left
    await c3.run(`ip -${family} neigh flush dev eth0`);
    expect(await c3.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.host}`);
    await host.run(`ip -${family} neigh flush dev br2`);
    expect(await host.ask({ to: at.c3, port: 80, protocol: "udp" })).toBe(`c3:80 ${at.gateway2}`);
    expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.peer}`);
    expect(await c1.ask({ to: at.gateway2, port: 80 })).toBe(`host:80 ${at.c1}`);
  });

  test("an internal network may be closed to the host as well", async () => {
    await using _ = await wall(bridge("br1", { internal: true, hostAccess: "none" }), bridge("br2"));
    const { c1 } = town();
    await Promise.all([silence(c1, at.gateway1, 80), silence(c1, at.host, 80)]);
    expect(await c1.ask({ to: at.c2, port: 80 })).toBe(`c2:80 ${at.c1}`);
  });
}
