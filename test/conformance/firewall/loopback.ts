// Ports that are published on the host's loopback, and on every address: what leads there, and what must not.

import { expect, test } from "vitest";
import { silence } from "./lab.ts";
import { publish, usual } from "./rules.ts";
import type { Wall } from "./suite.ts";
import type { Town } from "./town.ts";

export function loopbackSuite(town: () => Town, wall: Wall): void {
  const everywhere = [publish("8080", "172.20.1.2", "80"), publish("8080", "fd00:1::2", "80")];
  const onLoopback = publish("8080", "172.20.1.2", "80", { at: "127.0.0.1" });

  test("a published port is reached on 127.0.0.1, and on ::1 left to the forwarder", async () => {
    await using _ = await wall(
      ...usual(...everywhere, publish("8080", "172.20.1.2", "80", { protocol: "udp" })),
    );
    const { host } = town();
    expect(await host.ask({ to: "127.0.0.1", port: 8080 })).toBe("c1:80 172.20.1.1");
    expect(await host.ask({ to: "127.0.0.1", port: 8080, protocol: "udp" })).toBe("c1:80 172.20.1.1");
    expect(await host.ask({ to: "127.9.9.9", port: 8080 })).toBe("c1:80 172.20.1.1");
    expect(await host.ask({ to: "::1", port: 8080 })).toBe("host:8080 ::1");
  });

  test("a port published on 127.0.0.1 is reached by the host alone", async () => {
    await using _ = await wall(...usual(onLoopback));
    const { host, peer, c2, c3 } = town();
    expect(await host.ask({ to: "127.0.0.1", port: 8080 })).toBe("c1:80 172.20.1.1");
    expect(await peer.ask({ to: "192.0.2.1", port: 8080 })).toBe("host:8080 192.0.2.2");
    expect(await c2.ask({ to: "172.20.1.1", port: 8080 })).toBe("host:8080 172.20.1.3");
    expect(await c3.ask({ to: "172.20.1.1", port: 8080 })).toBe("host:8080 172.20.2.2");
  });

  test("frames for 127.0.0.1 from a neighbour or a container reach nobody", async () => {
    await using _ = await wall(...usual(onLoopback, ...everywhere));
    const { attacker, c2 } = town();
    for (const [liar, gateway] of [
      [attacker, "198.51.100.1"],
      [c2, "172.20.1.1"],
    ] as const) {
      await liar.run(`
        sysctl -qw net.ipv4.conf.all.route_localnet=1
        for route in 127.0.0.1 127.0.0.0/8; do ip route del table local local $route || true; done
        ip route replace 127.0.0.1 via ${gateway}`);
      const tries = [8080, 80].flatMap((port) => [
        silence(liar, "127.0.0.1", port),
        silence(liar, "127.0.0.1", port, "udp"),
      ]);
      await Promise.all(tries);
    }
  });

  test("a neighbour's link-local address is left to the forwarder, since the container could not answer it", async () => {
    await using _ = await wall(...usual(...everywhere));
    const { peer, host } = town();
    const [, local] = /inet6 (fe80::\S+)\//.exec(await host.run("ip -6 addr show dev eth0 scope link")) ?? [];
    expect(await peer.run(`busybox nc -w 10 ${local}%eth0 8080 < /dev/null`)).toMatch(/^host:8080 fe80::/);
  });

  test("flows under way survive a restart and changes", async () => {
    const rules = usual(...everywhere, publish("8080", "172.20.1.2", "80", { protocol: "udp" }));
    await using held = await wall(...rules);
    using flow = await town().peer.converse({ to: "192.0.2.1", port: 8080 });
    expect(await flow.say()).toBe("c1:80 192.0.2.2");
    await held.firewall.close(); // as if killed
    expect(await flow.say()).toBe("c1:80 192.0.2.2");
    await using again = await wall(...rules);
    expect(await flow.say()).toBe("c1:80 192.0.2.2");
    await again.firewall.set("more", [publish("9999", "172.20.1.2", "81")]);
    expect(await flow.say()).toBe("c1:80 192.0.2.2");
  });
}
