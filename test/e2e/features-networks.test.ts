// What `docker network` says and refuses on one host, as its users see it: look-ups, filters, fields, subnets, bridges.

import { afterEach, describe, expect, test } from "vitest";
import { containersOn } from "./containers.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const { idle } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const network = async (name: string) => await daemon().ask("GET", `/networks/${name}`);
/** What docker says when it refuses. */
const refusal = async (...args: readonly string[]) => {
  const { code, stderr } = await daemon().docker(...args);
  expect(code, args.join(" ")).not.toBe(0);
  return stderr;
};

afterEach(() => daemon().removeAll());

describe("the networks that are always there", () => {
  test("have Docker's names, drivers and options, and are neither made nor removed", async () => {
    const rows = await ok("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}");
    expect(rows.split("\n").sort()).toEqual(["bridge bridge local", "host host local", "none null local"]);
    expect((await network("bridge")).Options).toMatchObject({
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": "true",
      "com.docker.network.bridge.name": "docker0",
    });
    for (const name of ["bridge", "host", "none"]) {
      expect(await refusal("network", "rm", name)).toContain(
        "is a pre-defined network and cannot be removed",
      );
      expect(await refusal("network", "create", name)).toContain(
        `operation is not permitted on predefined ${name} network`,
      );
    }
    for (const driver of ["host", "null"])
      expect(await refusal("network", "create", "-d", driver, "second")).toContain(
        `only one instance of "${driver}" network is allowed`,
      );
  });
});

describe("a network", () => {
  test("is found by id, name and the start of its id; one that fits several is refused", async () => {
    const ids = new Map<string, string>();
    // of 17 ids two begin alike
    for (let count = 0; count < 17; count++) ids.set(await ok("network", "create", `n${count}`), `n${count}`);
    for (const id of ids.keys()) expect(id).toMatch(/^[0-9a-f]{64}$/);
    const [[id, name] = ["", ""]] = ids;
    for (const word of [id, name, id.slice(0, 12)]) expect((await network(word)).Id).toBe(id);
    const firsts = [...ids.keys()].map((it) => it.slice(0, 1));
    const twice = firsts.find((first, at) => firsts.indexOf(first) !== at) ?? "";
    const { status, body } = await daemon().api("GET", `/networks/${twice}`);
    expect({ status, message: body.message }).toEqual({
      status: 400,
      message: expect.stringMatching(`network ${twice} is ambiguous`),
    });
    expect(await refusal("network", "create", "n0")).toContain("network with name n0 already exists");
  });

  test("shows the fields that it was made with, and refuses scopes that this host cannot give", async () => {
    await ok("network", "create", "--attachable", "--label", "team=net", "--label", "bare", "n1");
    expect(await network("n1")).toMatchObject({
      Attachable: true,
      Ingress: false,
      Internal: false,
      ConfigOnly: false,
      Scope: "local",
      EnableIPv4: true,
      EnableIPv6: false,
      Labels: { team: "net", bare: "" },
    });
    expect(await refusal("network", "create", "--scope", "swarm", "n2")).toContain("swarm is not active");
    expect(await refusal("network", "create", "--scope", "global", "n2")).toContain('scope "global"');
    expect(await refusal("network", "create", "--ingress", "n2")).toContain("Ingress network");
  });

  test("has the families that its driver options say", async () => {
    const family = (number: 4 | 6, value: boolean) => [
      "-o",
      `com.docker.network.enable_ipv${number}=${value}`,
    ];
    await ok("network", "create", ...family(4, false), ...family(6, true), "n1");
    expect(await network("n1")).toMatchObject({ EnableIPv4: false, EnableIPv6: true });
    expect((await network("n1")).IPAM.Config).toEqual([
      { Subnet: expect.stringMatching(/^fd.*::\/64$/), Gateway: expect.stringMatching(/^fd.*::1$/) },
    ]);
  });

  test("tells who is on it and how many addresses are left", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
    const id = await idle("cc", "--network", "n1");
    const { Containers, Status } = await network("n1");
    expect(Containers).toEqual({
      [id]: expect.objectContaining({ Name: "cc", IPv4Address: "198.51.100.2/24", IPv6Address: "" }),
    });
    expect(Status.IPAM.Subnets["198.51.100.0/24"]).toEqual({ IPsInUse: 4, DynamicIPsAvailable: 252 });
  });

  test.each([
    [["--subnet", "224.0.0.0/24"], "multicast"],
    [["--ipv6", "--subnet", "ff02::/64"], "multicast"],
    [["--subnet", "127.1.0.0/24"], "loopback"],
    [["--ipv6", "--subnet", "fe80:0:0:1::/64"], "clashes with the Link-Local prefix 'fe80::/64'"],
    [["--ipam-driver", "null"], "ipv4 pool is empty"],
    [["--ipam-driver", "nowhere"], "nowhere"],
  ])("%j is refused by what is wrong with it", async (flags, message) => {
    expect(await refusal("network", "create", ...flags, "n1")).toContain(message);
    expect(await ok("network", "ls", "-q", "--filter", "type=custom")).toBe("");
  });

  test("keeps words for its address driver", async () => {
    await ok("network", "create", "--ipam-driver", "default", "--ipam-opt", "any=word", "n1");
    expect((await network("n1")).IPAM).toMatchObject({ Driver: "default", Options: { any: "word" } });
  });
});

describe("network ls", () => {
  const names = async (...filters: readonly string[]) => {
    const flags = filters.flatMap((filter) => ["--filter", filter]);
    const text = await ok("network", "ls", "--format", "{{.Name}}", ...flags);
    return text.split("\n").filter(Boolean).sort();
  };

  test("filters by dangling, driver, id, label, name, scope and type", async () => {
    const id = await ok("network", "create", "--label", "tier=front", "front");
    await ok("network", "create", "--label", "tier=back", "back");
    await idle("cc", "--network", "back");
    expect(await names("dangling=true", "type=custom")).toEqual(["front"]);
    expect(await names("dangling=false", "type=custom")).toEqual(["back"]);
    expect(await names("driver=bridge")).toEqual(["back", "bridge", "front"]);
    expect(await names("driver=null", "driver=host")).toEqual(["host", "none"]);
    expect(await names(`id=${id.slice(0, 10)}`)).toEqual(["front"]);
    expect(await names("label=tier")).toEqual(["back", "front"]);
    expect(await names("label=tier=back")).toEqual(["back"]);
    expect(await names("name=ron")).toEqual(["front"]);
    expect(await names("scope=local", "type=custom")).toEqual(["back", "front"]);
    expect(await names("scope=swarm")).toEqual([]);
    expect(await names("type=builtin")).toEqual(["bridge", "host", "none"]);
    expect(await refusal("network", "ls", "--filter", "colour=red")).toContain("invalid filter");
  });
});

describe("a bridge", () => {
  test("has a MAC of its own, listens to no router, and settings of nothing else change", async () => {
    const { host } = site();
    const before = await host.run("sysctl", "-a", "-r", "^net\\.ipv[46]\\.conf\\.(all|default|eth0|lo)\\.");
    await ok("network", "create", "-o", "com.docker.network.bridge.name=br-n1", "n1");
    await ok("network", "create", "--ipv6", "-o", "com.docker.network.bridge.name=br-n2", "n2");
    const macs = await Promise.all(
      ["br-n1", "br-n2"].map(async (name) => (await host.netlink.link(name))?.mac ?? ""),
    );
    for (const mac of macs) expect(mac).toMatch(/^.[26ae]:/);
    expect(new Set(macs).size).toBe(2);
    const setting = async (name: string) => (await host.run("sysctl", "-n", name)).trim();
    expect(await setting("net.ipv6.conf.br-n2.accept_ra")).toBe("0");
    expect(await setting("net.ipv6.conf.br-n1.disable_ipv6")).toBe("1");
    const after = await host.run("sysctl", "-a", "-r", "^net\\.ipv[46]\\.conf\\.(all|default|eth0|lo)\\.");
    // the first network with IPv6 turns forwarding on, which the kernel does for every link
    const kept = (text: string) => text.split("\n").filter((line) => !/ipv6.*\.forwarding/.test(line));
    expect(kept(after)).toEqual(kept(before));
  });
});
