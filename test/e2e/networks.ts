// Containers on networks, whatever the firewall: modes, addresses, names, ports, as seen from inside, from the host and from the LAN.

import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import type { Site } from "./site.ts";

/** Defines the tests for the daemon of a site. */
export function describeNetworks(site: () => Site): void {
  const daemon = () => site().daemon;
  const { greeter, idle } = containersOn(daemon);
  const ok = (...args: readonly string[]) => daemon().ok(...args);
  const docker = (...args: readonly string[]) => daemon().docker(...args);
  const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);
  const sh = (container: string, script: string) => ok("exec", container, "sh", "-c", script);

  afterEach(() => daemon().removeAll());

  describe("modes", () => {
    test("container: shares the whole stack of another", async () => {
      await greeter("owner");
      expect(
        await ok("run", "--rm", "--network", "container:owner", "busybox", "nc", "127.0.0.1", "80"),
      ).toBe("owner");
      const [mine, theirs] = [
        await ok(
          "run",
          "--rm",
          "--network",
          "container:owner",
          "busybox",
          "cat",
          "/etc/hosts",
          "/etc/hostname",
        ),
        await sh("owner", "cat /etc/hosts /etc/hostname"),
      ];
      expect(mine).toBe(theirs);
      await ok("stop", "-t", "0", "owner");
      const late = await docker("run", "--rm", "--network", "container:owner", "busybox", "true");
      expect(late.code).toBe(125);
      expect(late.stderr).toContain("cannot join network namespace of a non running container");
    });

    test("host uses the host's stack, names and all", async () => {
      await ok(
        "run",
        "-d",
        "--name",
        "cc",
        "--network",
        "host",
        "busybox",
        "sh",
        "-c",
        "while :; do nc -l -p 7070 -e echo hello; done",
      );
      await expect(site().peer).toReach("192.0.2.1:7070", { answer: "hello" });
      const networks = (await inspect("cc")).NetworkSettings.Networks;
      expect(Object.keys(networks)).toEqual(["host"]);
    });

    test("none can be left for a network while the container does not run", async () => {
      await ok("network", "create", "n");
      await ok("create", "--name", "cc", "--network", "none", "busybox", "ip", "-o", "-4", "addr");
      await ok("network", "disconnect", "none", "cc");
      await ok("network", "connect", "n", "cc");
      expect(await ok("start", "-a", "cc")).toContain("eth0");
    });
  });

  describe("several networks", () => {
    test("connect and disconnect change a running container", async () => {
      await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
      await ok("network", "create", "--subnet", "203.0.113.0/24", "n2");
      await greeter("server", "--network", "n2");
      await idle("cc", "--network", "n1");
      expect((await docker("exec", "cc", "nslookup", "server")).stdout).toContain("NXDOMAIN");
      await ok("network", "connect", "--alias", "second", "--ip", "203.0.113.77", "n2", "cc");
      expect(await sh("cc", "ip -o -4 addr | awk '{print $2, $4}'")).toBe(
        "lo 127.0.0.1/8\neth0 198.51.100.2/24\neth1 203.0.113.77/24",
      );
      expect(await sh("cc", "nc server 80")).toBe("server");
      expect(await sh("server", "nslookup second | grep 203")).toContain("203.0.113.77");
      expect((await inspect("cc")).NetworkSettings.Networks.n2).toMatchObject({
        IPAddress: "203.0.113.77",
        IPPrefixLen: 24,
        Gateway: "203.0.113.1",
      });
      await ok("network", "disconnect", "n2", "cc");
      expect(await sh("cc", "ip -o -4 addr | wc -l")).toBe("2");
      expect((await docker("exec", "cc", "nslookup", "server")).stdout).toContain("NXDOMAIN");
      expect(await ok("network", "inspect", "-f", "{{len .Containers}}", "n2")).toBe("1");
      expect(await ok("network", "rm", "n1").catch((error) => error.message)).toMatch(/has active endpoints/);
    });

    test("disconnecting the default route's network moves the route to the next", async () => {
      await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
      await ok("network", "create", "--subnet", "203.0.113.0/24", "n2");
      await idle("cc", "--network", "n1");
      await ok("network", "connect", "n2", "cc");
      const gateway = () => sh("cc", "ip route | awk '/^default/{print $3}'");
      expect(await gateway()).toBe("198.51.100.1");
      await ok("network", "disconnect", "n1", "cc");
      expect(await gateway()).toBe("203.0.113.1");
      await expect(site().peer).not.toReach("203.0.113.2:80");
      expect(await sh("cc", "ping -c 1 -W 10 192.0.2.2 | grep -c 'bytes from'")).toBe("1");
    });

    test("networks are apart; an internal one is apart from everything", async () => {
      await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
      await ok("network", "create", "--internal", "--subnet", "203.0.113.0/24", "n2");
      await greeter("one", "--network", "n1");
      await greeter("two", "--network", "n2");
      await idle("third", "--network", "n2");
      const reach = (from: string, to: string) =>
        docker("exec", from, "timeout", "1", "nc", to, "80").then(({ stdout }) => stdout.trim());
      expect(await sh("third", "nc two 80")).toBe("two");
      expect(await reach("one", "203.0.113.2")).toBe("");
      expect(await reach("two", "198.51.100.2")).toBe("");
      expect((await docker("exec", "two", "ping", "-c", "1", "-W", "1", "192.0.2.2")).code).toBe(1);
      expect(await sh("one", "ping -c 1 -W 10 192.0.2.2 | grep -c 'bytes from'")).toBe("1");
    });
  });

  describe("names", () => {
    test("name, aliases, short id and hostname answer; reverse too; strangers are NXDOMAIN", async () => {
      await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
      const id = await idle("cc", "--network", "n", "--network-alias", "db", "-h", "box");
      await idle("other", "--network", "n");
      for (const name of ["cc", "db", id.slice(0, 12), "cc.n", "CC"]) {
        expect(await sh("other", `nslookup ${name} | tail -n +3 | grep -o '198.51.100.[0-9]*'`), name).toBe(
          "198.51.100.2",
        );
      }
      expect(await sh("other", "nslookup 198.51.100.2")).toContain("name = cc.n");
      expect((await docker("exec", "other", "nslookup", "nobody")).stdout).toContain("NXDOMAIN");
      await ok("stop", "-t", "0", "cc");
      expect((await docker("exec", "other", "nslookup", "cc")).stdout).toContain("NXDOMAIN");
      await ok("rename", "other", "renamed");
      await ok("start", "cc");
      expect(await sh("cc", "nslookup renamed")).toContain("198.51.100.");
    });

    test("hosts, resolv.conf and hostname say what they should", async () => {
      await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
      await idle(
        "cc",
        "--network",
        "n",
        "-h",
        "box",
        "--domainname",
        "example.test",
        "--add-host",
        "db:203.0.113.9",
        "--add-host",
        "gw:host-gateway",
        "--dns-search",
        "lab.test",
        "--dns-opt",
        "attempts:1",
      );
      const hosts = await sh("cc", "cat /etc/hosts");
      expect(hosts).toMatch(/^127\.0\.0\.1\s+localhost$/m);
      expect(hosts).toMatch(/^203\.0\.113\.9\s+db$/m);
      expect(hosts).toMatch(/^172\.17\.0\.1\s+gw$/m);
      expect(hosts).toMatch(/^198\.51\.100\.2\s+box\.example\.test box$/m);
      const resolv = await sh("cc", "cat /etc/resolv.conf");
      expect(resolv).toMatch(/^nameserver 127\.0\.0\.11$/m);
      expect(resolv).toMatch(/^search lab\.test$/m);
      expect(resolv).toMatch(/^options .*attempts:1/m);
      expect(await sh("cc", "hostname; cat /etc/hostname")).toBe("box\nbox");
    });

    test("a container may serve port 53 itself", async () => {
      await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
      await ok(
        "run",
        "-d",
        "--name",
        "cc",
        "--network",
        "n",
        "busybox",
        "sh",
        "-c",
        "while :; do nc -l -p 53 -e echo mine; done",
      );
      await idle("other", "--network", "n");
      await until(
        "its own server answers",
        async () => (await docker("exec", "other", "nc", "cc", "53")).stdout.trim() === "mine",
      );
      expect(await sh("cc", "nslookup other | grep 198")).toContain("198.51.100.3");
    });
  });

  describe("addresses", () => {
    test("a fixed address and a fixed MAC", async () => {
      await ok(
        "network",
        "create",
        "--subnet",
        "198.51.100.0/24",
        "--ip-range",
        "198.51.100.128/25",
        "--gateway",
        "198.51.100.254",
        "--aux-address",
        "router=198.51.100.129",
        "n",
      );
      await idle("cc", "--network", "n", "--ip", "198.51.100.7", "--mac-address", "02:42:00:00:00:07");
      expect(
        await sh(
          "cc",
          "ip -o -4 addr show eth0 | awk '{print $4}'; cat /sys/class/net/eth0/address; ip route | awk '/default/{print $3}'",
        ),
      ).toBe("198.51.100.7/24\n02:42:00:00:00:07\n198.51.100.254");
      await idle("second", "--network", "n");
      expect(await sh("second", "ip -o -4 addr show eth0 | awk '{print $4}'")).toBe("198.51.100.128/24");
      await idle("third", "--network", "n");
      expect(await sh("third", "ip -o -4 addr show eth0 | awk '{print $4}'")).toBe("198.51.100.130/24");
    });

    test("IPv6 beside IPv4: address, route, names, and out to the LAN", async () => {
      await ok(
        "network",
        "create",
        "--ipv6",
        "--subnet",
        "198.51.100.0/24",
        "--subnet",
        "2001:db8:1::/64",
        "n",
      );
      await greeter("cc", "--network", "n", "--ip6", "2001:db8:1::77");
      await idle("other", "--network", "n");
      expect(await sh("other", "nslookup -type=aaaa cc | grep 2001")).toContain("2001:db8:1::77");
      expect(await sh("other", "nc 2001:db8:1::77 80")).toBe("cc");
      expect(await sh("other", "ping6 -c 1 -W 10 2001:db8::2 | grep -c 'bytes from'")).toBe("1");
    });
  });

  describe("published ports", () => {
    test("one bound to 127.0.0.1 answers there and nowhere else", async () => {
      await greeter("cc", "-p", "127.0.0.1:8080:80");
      await expect(site().host).toReach("127.0.0.1:8080", { answer: "cc" });
      await expect(site().host).not.toReach("192.0.2.1:8080");
      await expect(site().peer).not.toReach("192.0.2.1:8080");
      await site()
        .peer.run("ip", "route", "add", "127.0.0.0/8", "via", "192.0.2.1")
        .catch(() => undefined);
      await expect(site().peer).not.toReach("127.0.0.1:8080");
    });

    test("an unpublished one is not reached by routing through the host", async () => {
      await greeter("cc");
      const address = (await inspect("cc")).NetworkSettings.IPAddress;
      await site().peer.run("ip", "route", "replace", "172.17.0.0/16", "via", "192.0.2.1");
      await expect(site().host).toReach(`${address}:80`, { answer: "cc" });
      await expect(site().peer).not.toReach(`${address}:80`);
      await site().peer.run("ip", "route", "del", "172.17.0.0/16");
    });

    test("udp, both families", async () => {
      await idle("cc", "-p", "5353:5353/udp");
      const inside = await daemon().inside("cc");
      try {
        await using _ = await inside.listen("0.0.0.0", 5353, { protocol: "udp", reply: "cc" });
        await expect(site().peer).toReach("192.0.2.1:5353", { protocol: "udp", answer: "cc 192.0.2.2" });
        await expect(site().host).toReach("127.0.0.1:5353", { protocol: "udp", answer: "cc" });
        await expect(site().peer).toReach("[2001:db8::1]:5353", { protocol: "udp", answer: "cc" });
      } finally {
        await inside.close();
      }
    });

    test("the server sees its client's own address", async () => {
      await idle("cc", "-p", "8080:80");
      const inside = await daemon().inside("cc");
      try {
        await using _ = await inside.listen("0.0.0.0", 80, { reply: "cc" });
        await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc 192.0.2.2" });
      } finally {
        await inside.close();
      }
    });

    test("ranges, random ports, -P", async () => {
      await idle("range", "-p", "9000-9002:80-82");
      expect((await ok("port", "range")).split("\n")).toEqual(
        expect.arrayContaining(["80/tcp -> 0.0.0.0:9000", "82/tcp -> 0.0.0.0:9002"]),
      );
      await idle("random", "-p", "80");
      const port = /0\.0\.0\.0:([0-9]+)/.exec(await ok("port", "random", "80/tcp"))?.[1];
      expect(Number(port)).toBeGreaterThan(1024);
      await ok("run", "-d", "--name", "all", "-P", "--expose", "81/udp", "nginx");
      const all = await ok("port", "all");
      expect(all).toMatch(/^80\/tcp -> 0\.0\.0\.0:[0-9]+$/m);
      expect(all).toMatch(/^81\/udp -> 0\.0\.0\.0:[0-9]+$/m);
      await idle("free", "-p", "9000-9005:80");
      expect(await ok("port", "free", "80")).toContain("0.0.0.0:9003");
    });

    test("connecting another network keeps ports, also after a restart", async () => {
      await ok("network", "create", "n");
      await greeter("cc", "-p", "8080:80");
      await ok("network", "connect", "n", "cc");
      await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
      await ok("restart", "-t", "0", "cc");
      await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
      expect(Object.keys((await inspect("cc")).NetworkSettings.Networks).sort()).toEqual(["bridge", "n"]);
    });

    test("hairpin: a container reaches itself by the host's address", async () => {
      await greeter("cc", "-p", "8080:80");
      await until(
        "it reaches itself",
        async () =>
          (await docker("exec", "cc", "timeout", "2", "nc", "192.0.2.1", "8080")).stdout.trim() === "cc",
      );
    });
  });

  describe("forwarding of names", () => {
    test("what is not a container's name is asked of the name server, unless the network is internal", async () => {
      const { peer } = site();
      const server = peer.spawn(
        process.execPath,
        [join(import.meta.dirname, "name-server.mjs"), peer.address()],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      const ended = once(server, "exit");
      let asked = "";
      server.stdout?.on("data", (chunk) => {
        asked += chunk;
      });
      try {
        await until("it listens", () => asked.includes("ready"));
        await ok("network", "create", "open");
        await ok("network", "create", "--internal", "closed");
        await idle("cc", "--network", "open", "--dns", peer.address());
        await idle("inner", "--network", "closed", "--dns", peer.address());
        expect(await sh("cc", "nslookup -type=a www.example.test | tail -n +3")).toContain("203.0.113.99");
        expect(await sh("cc", "nslookup -type=a cc | tail -n +3")).not.toContain("203.0.113.99");
        expect(
          (await docker("exec", "inner", "nslookup", "-type=a", "secret.example.test")).stdout,
        ).not.toContain("203.0.113.99");
        await expect.poll(() => asked).toContain("www.example.test");
        expect(asked).not.toMatch(/secret|^cc$/m);
        await ok("run", "-d", "--name", "plain", "--dns", peer.address(), "busybox", "sleep", "100");
        expect(await sh("plain", "cat /etc/resolv.conf")).toContain(`nameserver ${peer.address()}`);
        expect(await sh("plain", "nslookup -type=a other.example.test | tail -n +3")).toContain(
          "203.0.113.99",
        );
      } finally {
        server.kill();
        await ended;
      }
    });
  });
}
