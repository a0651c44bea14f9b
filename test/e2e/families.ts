// One network of each kind, IPv4 only, IPv6 only and both, put through the same life. What a family cannot have is named
// in the kind, and asserted too.

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import type { Site } from "./site.ts";

type Family = 4 | 6;

interface Kind {
  readonly name: string;
  readonly families: readonly Family[];
  /** What of the site's addresses leads to a port that is published for every address of the host. */
  readonly publishedOn: readonly string[];
  readonly notPublishedOn: readonly string[];
}

const hostIpv4 = ["192.0.2.1", "127.0.0.1"];
const hostIpv6 = ["[2001:db8::1]", "[::1]"];

const kinds: readonly Kind[] = [
  // IPv6 clients come through the forwarder
  { name: "IPv4 only", families: [4], publishedOn: [...hostIpv4, ...hostIpv6], notPublishedOn: [] },
  // there is no way from IPv4 into a container that has none, as with Docker
  { name: "IPv6 only", families: [6], publishedOn: hostIpv6, notPublishedOn: hostIpv4 },
  { name: "dual stack", families: [4, 6], publishedOn: [...hostIpv4, ...hostIpv6], notPublishedOn: [] },
];

const subnets = {
  n: { 4: "198.51.100.0/24", 6: "2001:db8:51::/64" },
  m: { 4: "203.0.113.0/24", 6: "2001:db8:52::/64" },
} as const;
const host = { 4: "192.0.2.1", 6: "2001:db8::1" } as const;
const lanPeer = { 4: "192.0.2.2", 6: "2001:db8::2" } as const;

/** Defines the tests for the daemon of a site. */
export function describeFamilies(site: () => Site): void {
  const daemon = () => site().daemon;
  const ok = (...args: readonly string[]) => daemon().ok(...args);

  // a neighbour that knows where the containers are
  beforeAll(async () => {
    for (const family of [4, 6] as const)
      await site().peer.run("ip", "route", "add", subnets.n[family], "via", host[family]);
  });

  afterEach(() => daemon().removeAll());

  describe.each(kinds)("$name", ({ families, publishedOn, notPublishedOn }) => {
    const has = (family: Family) => families.includes(family);
    const createNetwork = (name: keyof typeof subnets, more: object = {}) =>
      daemon().ask("POST", "/networks/create", {
        Name: name,
        EnableIPv4: has(4),
        EnableIPv6: has(6),
        IPAM: { Config: families.map((family) => ({ Subnet: subnets[name][family] })) },
        ...more,
      });
    const greeter = (name: string, ...flags: readonly string[]) => {
      const script = `while :; do nc -l -p 80 -e echo ${name}; done`;
      return ok("run", "-d", "--name", name, "--network", "n", ...flags, "busybox", "sh", "-c", script);
    };
    const addresses = async (name: string): Promise<Record<Family, string>> => {
      const { NetworkSettings } = await daemon().ask("GET", `/containers/${name}/json`);
      const { IPAddress, GlobalIPv6Address } = NetworkSettings.Networks.n;
      return { 4: IPAddress, 6: GlobalIPv6Address };
    };
    /** What the container hears from there; empty when nothing. */
    const hears = async (from: string, address: string, port = 80) =>
      (await daemon().docker("exec", from, "timeout", "1", "nc", address, `${port}`)).stdout.trim();
    const pings = async (from: string, address: string, family: Family) =>
      (await daemon().docker("exec", from, family === 4 ? "ping" : "ping6", "-c1", "-W1", address)).code ===
      0;

    test("addresses of its families and of no other", async () => {
      await createNetwork("n");
      await greeter("one");
      const own = await addresses("one");
      expect({ 4: own[4] !== "", 6: own[6] !== "" }).toEqual({ 4: has(4), 6: has(6) });
      const inside = await ok("exec", "one", "ip", "-o", "addr", "show", "dev", "eth0");
      expect(/inet 198/.test(inside)).toBe(has(4));
      expect(/inet6/.test(inside)).toBe(has(6));
    });

    test("containers find each other by name and by address", async () => {
      await createNetwork("n");
      await greeter("one");
      await greeter("two", "--network-alias", "second");
      const two = await addresses("two");
      for (const family of families) await expect.poll(() => hears("one", two[family])).toBe("two");
      await expect.poll(() => hears("one", "second")).toBe("two");
      const types = { 4: "a", 6: "aaaa" } as const;
      for (const family of [4, 6] as const) {
        const { stdout } = await daemon().docker("exec", "one", "nslookup", `-type=${types[family]}`, "two");
        expect(stdout.includes(`Address: ${two[family] || "?"}`)).toBe(has(family));
        expect(stdout).not.toContain("NXDOMAIN");
      }
    });

    test("the way out leads to the LAN, and from the LAN nothing leads in", async () => {
      await createNetwork("n");
      await greeter("one");
      const own = await addresses("one");
      for (const family of families)
        await expect.poll(() => pings("one", lanPeer[family], family)).toBe(true);
      for (const family of families) {
        const target = family === 4 ? `${own[4]}:80` : `[${own[6]}]:80`;
        await expect(site().peer).not.toReach(target);
      }
    });

    test("a published port answers on every address that can lead to it", async () => {
      await createNetwork("n");
      await greeter("one", "-p", "8080:80");
      for (const address of publishedOn) {
        const isLocal = address === "127.0.0.1" || address === "[::1]";
        if (!isLocal) await expect(site().peer).toReach(`${address}:8080`, { answer: "one" });
        await expect(site().host).toReach(`${address}:8080`, { answer: "one" });
      }
      for (const address of notPublishedOn) await expect(site().host).not.toReach(`${address}:8080`);
    });

    test("other networks are out of reach, published ports apart", async () => {
      await createNetwork("n");
      await createNetwork("m");
      await greeter("one", "-p", "8080:80");
      await ok("run", "-d", "--name", "other", "--network", "m", "busybox", "sleep", "1000");
      const one = await addresses("one");
      for (const family of families) expect(await hears("other", one[family])).toBe("");
      for (const family of families) {
        await expect.poll(() => hears("other", host[family], 8080)).toBe("one");
      }
    });

    test("an internal network has no way out and publishes nothing", async () => {
      await createNetwork("n", { Internal: true });
      await greeter("one", "-p", "8080:80");
      await greeter("two");
      const two = await addresses("two");
      for (const family of families) {
        await expect.poll(() => hears("one", two[family])).toBe("two");
        expect(await pings("one", lanPeer[family], family)).toBe(false);
      }
      for (const address of publishedOn) await expect(site().host).not.toReach(`${address}:8080`);
    });

    test("without ICC containers are apart, and their published ports are not", async () => {
      await createNetwork("n", { Options: { "com.docker.network.bridge.enable_icc": "false" } });
      await greeter("one", "-p", "8080:80");
      await greeter("two");
      const one = await addresses("one");
      for (const family of families) expect(await hears("two", one[family])).toBe("");
      for (const family of families)
        await expect.poll(() => pings("two", lanPeer[family], family)).toBe(true);
      await expect(site().peer).toReach(`${publishedOn[0]}:8080`, { answer: "one" });
    });

    test("routed mode leads straight to the container's address and open ports", async () => {
      await createNetwork("n", {
        Options: Object.fromEntries(
          families.map((family) => [`com.docker.network.bridge.gateway_mode_ipv${family}`, "routed"]),
        ),
      });
      await greeter("one", "-p", "80");
      const own = await addresses("one");
      for (const family of families) {
        const target = family === 4 ? `${own[4]}:80` : `[${own[6]}]:80`;
        await expect(site().peer).toReach(target, { answer: "one" });
      }
    });

    test("unprotected mode leads straight to every port, and the host's published ones are there too", async () => {
      await createNetwork("n", {
        Options: Object.fromEntries(
          families.map((family) => [
            `com.docker.network.bridge.gateway_mode_ipv${family}`,
            "nat-unprotected",
          ]),
        ),
      });
      await greeter("one", "-p", "8080:80", "-p", "8081:81");
      const own = await addresses("one");
      for (const family of families) {
        const target = family === 4 ? `${own[4]}:80` : `[${own[6]}]:80`;
        await expect(site().peer).toReach(target, { answer: "one" });
        await expect.poll(() => pings("one", lanPeer[family], family)).toBe(true);
      }
      await expect(site().peer).toReach(`${publishedOn[0]}:8080`, { answer: "one" });
    });

    test("neighbours on a trusted link reach published ports at containers' own addresses, those on others do not", async () => {
      const trusting = (links: string) => ({
        Options: { "com.docker.network.bridge.trusted_host_interfaces": links },
      });
      const targets = async (port: number) => {
        const own = await addresses("one");
        return families.map((family) => (family === 4 ? `${own[4]}:${port}` : `[${own[6]}]:${port}`));
      };
      await createNetwork("n", trusting("wg7:eth0"));
      await greeter("one", "-p", "80");
      await ok("exec", "-d", "one", "sh", "-c", "while :; do nc -l -p 81 -e echo secret; done");
      const own = await addresses("one");
      for (const family of families) await expect.poll(() => hears("one", own[family], 81)).toBe("secret");
      for (const target of await targets(80)) await expect(site().peer).toReach(target, { answer: "one" });
      for (const target of await targets(81)) await expect(site().peer).not.toReach(target);
      await daemon().removeAll();
      await createNetwork("n", trusting("wg7"));
      await greeter("one", "-p", "80");
      for (const target of await targets(80)) await expect(site().peer).not.toReach(target);
    });

    test("a second network comes and goes while it runs", async () => {
      await createNetwork("n");
      await createNetwork("m");
      await greeter("one");
      await ok("run", "-d", "--name", "cc", "--network", "m", "busybox", "sleep", "1000");
      await ok("network", "connect", "n", "cc");
      const one = await addresses("one");
      for (const family of families) await expect.poll(() => hears("cc", one[family])).toBe("one");
      await expect.poll(() => hears("cc", "one")).toBe("one");
      await ok("network", "disconnect", "m", "cc");
      for (const family of families) await expect.poll(() => pings("cc", lanPeer[family], family)).toBe(true);
      await ok("network", "disconnect", "n", "cc");
      expect(await ok("exec", "cc", "ip", "-o", "link")).not.toMatch(/eth\d/);
    });

    test("addresses are the same after a stop and a start", async () => {
      await createNetwork("n");
      await greeter("one");
      await greeter("two");
      const before = await addresses("two");
      await ok("stop", "-t", "0", "one", "two");
      await greeter("three");
      await ok("start", "two");
      expect(await addresses("two")).toEqual(before);
    });
  });
}
