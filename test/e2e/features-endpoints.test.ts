// What `docker run`'s network flags do on one host: every word of --network, the modes without a network of their own,
// links, what each container finds, and what cannot be said together.

import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { ask } from "../lab/dns/world.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const { idle } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);
const sh = (container: string, script: string) => ok("exec", container, "sh", "-c", script);
const refusal = async (...args: readonly string[]) => {
  const { code, stderr } = await daemon().docker(...args);
  expect(code, args.join(" ")).not.toBe(0);
  return stderr;
};
const addressesOf = async (container: string, link: string) =>
  (await sh(container, `ip -o addr show dev ${link} | awk '{print $4}'`)).split("\n");

afterEach(() => daemon().removeAll());

describe("--network", () => {
  test("takes a name, aliases, addresses, a MAC, link-local addresses, options and a priority, for each network", async () => {
    await ok(
      "network",
      "create",
      "--ipv6",
      "--subnet",
      "198.51.100.0/24",
      "--subnet",
      "2001:db8:1::/64",
      "n1",
    );
    await ok("network", "create", "--subnet", "203.0.113.0/24", "n2");
    const words = [
      "name=n1,alias=db,alias=store,ip=198.51.100.9,ip6=2001:db8:1::9,mac-address=02:42:00:00:00:09",
      "link-local-ip=169.254.7.7,driver-opt=com.docker.network.endpoint.ifname=lan0",
      "driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1",
    ].join(",");
    await idle("cc", "--network", words, "--network", "name=n2,link-local-ip=fe80::77,gw-priority=7");
    const first = await addressesOf("cc", "lan0");
    expect(first).toEqual(expect.arrayContaining(["198.51.100.9/24", "2001:db8:1::9/64", "169.254.7.7/16"]));
    expect(await addressesOf("cc", "eth0")).toContain("fe80::77/64");
    expect(await sh("cc", "cat /sys/class/net/lan0/address")).toBe("02:42:00:00:00:09");
    expect(await sh("cc", "cat /proc/sys/net/ipv4/conf/lan0/log_martians")).toBe("1");
    expect(await sh("cc", "ip route | awk '/^default/{print $3}'")).toBe("203.0.113.1");
    await idle("other", "--network", "n1");
    for (const name of ["cc", "db", "store.n1"])
      expect(await sh("other", `nslookup -type=a ${name} | tail -n +3`)).toContain("198.51.100.9");
    const { Networks } = (await inspect("cc")).NetworkSettings;
    expect(Networks.n1).toMatchObject({
      IPAMConfig: {
        IPv4Address: "198.51.100.9",
        IPv6Address: "2001:db8:1::9",
        LinkLocalIPs: ["169.254.7.7"],
      },
      Aliases: ["db", "store"],
      MacAddress: "02:42:00:00:00:09",
    });
    expect(Networks.n2.GwPriority).toBe(7);
  });

  test("link-local addresses work under strict anti-spoofing, and those of others do not", async () => {
    await ok("network", "create", "-o", "tsdocker.antispoof=strict", "n");
    await idle("one", "--network", "name=n,link-local-ip=169.254.7.1,link-local-ip=fe80::71");
    await idle(
      "two",
      "--network",
      "name=n,link-local-ip=169.254.7.2,link-local-ip=fe80::72",
      "--cap-add",
      "NET_ADMIN",
    );
    await sh("two", "ping -c 1 -W 10 -I 169.254.7.2 169.254.7.1");
    await sh("one", "ping -c 1 -W 10 169.254.7.2");
    await sh("two", "ping -c 1 -W 10 -I eth0 fe80::71");
    await sh("two", "ip addr add 169.254.7.3/16 dev eth0");
    expect(
      await refusal("exec", "two", "ping", "-c", "1", "-W", "1", "-I", "169.254.7.3", "169.254.7.1"),
    ).toBe("");
  });

  test("takes the same words at connect", async () => {
    await ok("network", "create", "--subnet", "203.0.113.0/24", "n2");
    await idle("cc");
    await daemon().ask("POST", "/networks/n2/connect", {
      Container: "cc",
      EndpointConfig: {
        Aliases: ["second"],
        MacAddress: "02:42:00:00:00:77",
        IPAMConfig: { IPv4Address: "203.0.113.77", LinkLocalIPs: ["169.254.1.77"] },
        DriverOpts: { "com.docker.network.endpoint.ifname": "back0" },
      },
    });
    expect(await addressesOf("cc", "back0")).toEqual(
      expect.arrayContaining(["203.0.113.77/24", "169.254.1.77/16"]),
    );
    expect(await sh("cc", "cat /sys/class/net/back0/address")).toBe("02:42:00:00:00:77");
    expect(await sh("cc", "nslookup -type=a second | tail -n +3")).toContain("203.0.113.77");
  });

  test("of the default bridge takes neither addresses nor aliases", async () => {
    expect(await refusal("run", "--ip", "172.17.0.9", "busybox", "true")).toContain(
      "user-specified IP address is supported on user-defined networks only",
    );
    expect(await refusal("run", "--network-alias", "x", "busybox", "true")).toContain(
      "network-scoped aliases are only supported for user-defined networks",
    );
  });
});

describe("a MAC address", () => {
  test("is the endpoint's own, and another for each that names none", async () => {
    await ok("network", "create", "n1");
    for (const name of ["one", "two"]) await idle(name, "--network", "n1");
    const macs = await Promise.all(["one", "two"].map((name) => sh(name, "cat /sys/class/net/eth0/address")));
    for (const mac of macs) expect(mac).toMatch(/^.[26ae]:/);
    expect(new Set(macs).size).toBe(2);
  });
});

describe("host mode", () => {
  test("publishes nothing and says so, and leaves the host's settings to the host", async () => {
    const { stderr } = await daemon().docker(
      ...["run", "-d", "--name", "cc", "--network", "host", "-p", "8080:80", "--add-host", "db:203.0.113.9"],
      ...["busybox", "sleep", "1000"],
    );
    expect(stderr).toContain("Published ports are discarded when using host network mode");
    expect((await inspect("cc")).NetworkSettings.Ports).toEqual({});
    const [own, hosts] = [await sh("cc", "cat /etc/hosts"), await readFile("/etc/hosts", "utf8")];
    expect(own).toContain(hosts.trim());
    expect(own).toMatch(/^203\.0\.113\.9\tdb$/m);
    expect(
      await refusal("run", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "busybox", "true"),
    ).toContain('sysctl "net.ipv4.ip_forward" not allowed in host network namespace');
    await ok("network", "create", "n1");
    expect(await refusal("network", "connect", "n1", "cc")).toMatch(/cannot be connected to/);
  });
});

describe("mode none", () => {
  test("has lo alone, and no other network beside", async () => {
    const links = await ok("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net");
    // tunnels that the kernel puts into every netns are not ours
    expect(
      links.split("\n").filter((name) => !/^(tunl0|gre0|gretap0|erspan0|sit0|ip6.*)$/.test(name)),
    ).toEqual(["lo"]);
    await ok("network", "create", "n1");
    const { status, body } = await daemon().api("POST", "/containers/create?name=both", {
      Image: "busybox",
      HostConfig: { NetworkMode: "none" },
      NetworkingConfig: { EndpointsConfig: { none: {}, n1: {} } },
    });
    const late = status === 201 ? await daemon().api("POST", "/containers/both/start") : { status, body };
    expect(late.status).toBeGreaterThanOrEqual(400);
    expect(late.body.message).toMatch(/none/);
  });
});

describe("container mode", () => {
  test.each<[{ readonly HostConfig?: object; readonly [field: string]: unknown }, string]>([
    [
      { HostConfig: { PortBindings: { "80/tcp": [{}] } } },
      "port publishing and the container type network mode",
    ],
    [{ HostConfig: { PublishAllPorts: true } }, "port publishing and the container type network mode"],
    [{ ExposedPorts: { "80/tcp": {} } }, "port exposing and the container type network mode"],
    [{ HostConfig: { Dns: ["192.0.2.2"] } }, "dns and the network mode"],
    [{ HostConfig: { ExtraHosts: ["db:192.0.2.2"] } }, "custom host-to-IP mapping and the network mode"],
    [{ HostConfig: { Links: ["owner:db"] } }, "container type network can't be used with links"],
    [{ Hostname: "box" }, "hostname and the network mode"],
    [{ MacAddress: "02:42:00:00:00:01" }, "mac-address and the network mode"],
  ])("has nothing of its own: %j", async (part, message) => {
    await ok("create", "--name", "owner", "busybox");
    const { status, body } = await daemon().api("POST", "/containers/create?name=guest", {
      Image: "busybox",
      ...part,
      HostConfig: { NetworkMode: "container:owner", ...part.HostConfig },
    });
    expect({ status, message: body.message }).toEqual({
      status: 400,
      message: expect.stringContaining(message),
    });
  });
});

describe("what a container finds", () => {
  test("are Docker's settings of its netns, and those that it asks for", async () => {
    const cat = (...names: readonly string[]) => [
      "cat",
      ...names.map((name) => `/proc/sys/net/ipv4/${name}`),
    ];
    expect(
      await ok("run", "--rm", "busybox", ...cat("ping_group_range", "ip_unprivileged_port_start")),
    ).toMatch(/^0\s+2147483647\n0$/);
    const own = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=80"];
    expect(await ok("run", "--rm", ...own, "busybox", ...cat("ip_unprivileged_port_start"))).toBe("80");
  });

  test("is no IPv6 where it has turned that off, on a network that has it", async () => {
    await ok("network", "create", "--ipv6", "n1");
    await idle("cc", "--network", "n1", "--sysctl", "net.ipv6.conf.all.disable_ipv6=1");
    expect(await sh("cc", "ip -6 addr; ip -6 route")).toBe("");
    expect((await inspect("cc")).NetworkSettings.Networks.n1).toMatchObject({
      GlobalIPv6Address: "",
      IPv6Gateway: "",
      IPAddress: expect.stringMatching(/^172\./),
    });
  });

  test("is an IPv6 address that it may use at once", async () => {
    await ok("network", "create", "--ipv6", "--subnet", "2001:db8:1::/64", "n1");
    const own = await ok(
      "run",
      "--rm",
      "--network",
      "n1",
      "busybox",
      "ip",
      "-6",
      "addr",
      "show",
      "dev",
      "eth0",
    );
    expect(own).toMatch(/inet6 2001:db8:1::2\/64 scope global/);
    expect(own).not.toMatch(/2001:.*tentative/);
  });

  test("are the host's name servers on the default bridge, those on loopback left out", async () => {
    const host = await readFile("/etc/resolv.conf", "utf8");
    const stub = host.includes("127.0.0.53")
      ? await readFile("/run/systemd/resolve/resolv.conf", "utf8").catch(() => host)
      : host;
    const servers = [...stub.matchAll(/^nameserver\s+(\S+)/gm)].map(([, server]) => server ?? "");
    const usable = servers.filter((server) => !server.startsWith("127.") && !server.includes(":"));
    const text = await ok("run", "--rm", "busybox", "cat", "/etc/resolv.conf");
    const shown = [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, server]) => server);
    expect(shown).toEqual(usable.length > 0 ? usable : ["8.8.8.8", "8.8.4.4"]);
  });
});

describe("published ports", () => {
  test("are shown with their host addresses, and those that are merely exposed without any", async () => {
    await idle("cc", "--expose", "81", "-p", "127.0.0.1:8080:80");
    expect((await inspect("cc")).NetworkSettings.Ports).toEqual({
      "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }],
      "81/tcp": null,
    });
    expect(await ok("port", "cc")).toBe("80/tcp -> 127.0.0.1:8080");
  });
});

describe("names", () => {
  const lookUp = async (container: string, name: string, type: "A" | "MX" | "SRV") => {
    const host = await daemon().inside(container);
    try {
      return await ask(host, 53, { name, type });
    } finally {
      await host.close();
    }
  };

  test("of a link on a network are known to this container alone, once, and follow the other one", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
    await idle("db", "--network", "n1");
    await idle("web", "--network", "n1", "--link", "db:mate");
    await idle("other", "--network", "n1");
    const mate = async () => (await lookUp("web", "mate", "A")).records;
    expect(await mate()).toEqual(["198.51.100.2"]);
    expect(await lookUp("other", "mate", "A")).toMatchObject({ rcode: "NXDOMAIN", records: [] });
    // names that are others' by a link follow behind the answer
    await ok("stop", "-t", "0", "db");
    await expect.poll(mate).toEqual([]);
    await ok("start", "db");
    await expect.poll(mate).toEqual(["198.51.100.2"]);
  });

  test("belong to the first network that has them; the network's own name chooses", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
    await ok("network", "create", "--subnet", "203.0.113.0/24", "n2");
    await idle("one", "--network", "name=n1,alias=db,ip=198.51.100.10");
    await idle("two", "--network", "name=n2,alias=db,ip=203.0.113.10");
    await idle("both", "--network", "name=n1", "--network", "name=n2,gw-priority=1");
    expect(await lookUp("both", "db", "A")).toMatchObject({ records: ["203.0.113.10"] });
    expect(await lookUp("both", "DB.n1", "A")).toMatchObject({ records: ["198.51.100.10"] });
    expect(await lookUp("both", "db.n2", "A")).toMatchObject({ records: ["203.0.113.10"] });
  });

  test("have no records of other types, and no services", async () => {
    await ok("network", "create", "n1");
    await idle("cc", "--network", "n1");
    expect(await lookUp("cc", "cc", "MX")).toMatchObject({ rcode: "NOERROR", records: [] });
    expect(await lookUp("cc", "_http._tcp.cc", "SRV")).toMatchObject({ rcode: "NXDOMAIN", records: [] });
  });
});

describe("traffic", () => {
  test("is counted for each interface", async () => {
    await ok("network", "create", "n1");
    await ok("network", "create", "n2");
    await idle("cc", "--network", "n1");
    await ok("network", "connect", "n2", "cc");
    const packets = async () => {
      const { networks } = await daemon().ask("GET", "/containers/cc/stats?stream=0&one-shot=1");
      return [networks.eth0.tx_packets, networks.eth1.tx_packets];
    };
    const [before = 0] = await packets();
    const gateway = (await inspect("cc")).NetworkSettings.Networks.n1.Gateway;
    await sh("cc", `ping -c 5 -i 0.1 -W 1 ${gateway}`);
    await until("five more are counted", async () => ((await packets())[0] ?? 0) >= before + 5);
  });

  test("has its netns at a path that tools take", async () => {
    await idle("cc");
    const { SandboxKey, SandboxID, IPAddress } = (await inspect("cc")).NetworkSettings;
    expect(SandboxKey).toMatch(new RegExp(`/netns/${SandboxID.slice(0, 12)}$`));
    const own = await site().host.run(
      "nsenter",
      `--net=${SandboxKey}`,
      "ip",
      "-o",
      "-4",
      "addr",
      "show",
      "eth0",
    );
    expect(own).toContain(` ${IPAddress}/`);
  });
});
