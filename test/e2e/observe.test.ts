// What a network shows of itself: addresses free and used, options as they took effect, the kernel objects behind it, and
// an event for every change.

import { existsSync } from "node:fs";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { containersOn } from "./containers.ts";
import type { DockerEvent } from "./daemon.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const { idle } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const inspect = (name: string, query = "") => daemon().ask("GET", `/networks/${name}${query}`);
const verbose = async (name: string) => (await inspect(name, "?verbose=true")).Status.Kernel;

afterEach(() => daemon().removeAll());

describe("inspect counts a network's addresses", () => {
  test("as containers come and go, in every API version", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/29", "x1");
    // of 8 the network's, the broadcast address and the gateway are in use from the start
    const subnet = "198.51.100.0/29";
    expect((await inspect("x1")).Status.IPAM.Subnets).toEqual({
      [subnet]: { IPsInUse: 3, DynamicIPsAvailable: 5 },
    });
    await idle("c1", "--network", "x1");
    await idle("c2", "--network", "x1");
    expect((await daemon().ask("GET", "/v1.24/networks/x1")).Status.IPAM.Subnets).toEqual({
      [subnet]: { IPsInUse: 5, DynamicIPsAvailable: 3 },
    });
    await ok("rm", "-f", "c1");
    expect((await inspect("x1")).Status.IPAM.Subnets[subnet]).toEqual({
      IPsInUse: 4,
      DynamicIPsAvailable: 4,
    });
  });

  test("within the range that they come from, and for each family", async () => {
    const flags = ["--subnet", "198.51.100.0/24", "--ip-range", "198.51.100.128/25", "--ipv6"];
    await ok("network", "create", ...flags, "--subnet", "2001:db8:51::/64", "x1");
    const { Subnets } = (await inspect("x1")).Status.IPAM;
    expect(Object.keys(Subnets).sort()).toEqual(["198.51.100.0/24", "2001:db8:51::/64"]);
    expect(Subnets["198.51.100.0/24"].DynamicIPsAvailable).toBeLessThan(128);
    expect(Subnets["2001:db8:51::/64"].DynamicIPsAvailable).toBeGreaterThan(2 ** 63);
  });
});

describe("inspect shows options", () => {
  test("as they took effect, and the user's own untouched", async () => {
    const setMtu = (mtu: string) => site().host.run("ip", "link", "set", "eth0", "mtu", mtu);
    await setMtu("1400");
    onTestFinished(async () => void (await setMtu("1500")));
    await ok("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "x1");
    const { Options, Status, Id } = await inspect("x1");
    expect(Options).toEqual({ "com.docker.network.bridge.enable_icc": "false" });
    const bridge = `br-${Id.slice(0, 12)}`;
    expect(Status.Effective).toMatchObject({
      "com.docker.network.bridge.name": bridge,
      "com.docker.network.bridge.enable_icc": "false",
      "com.docker.network.bridge.enable_ip_masquerade": "true",
      "com.docker.network.bridge.gateway_mode_ipv4": "nat",
      "com.docker.network.container_iface_prefix": "eth",
    });
    expect(Status.Effective).not.toHaveProperty("com.docker.network.bridge.gateway_mode_ipv6");
    const [link] = JSON.parse(await site().host.run("ip", "-j", "link", "show", bridge));
    expect(Status.Effective["com.docker.network.driver.mtu"]).toBe(String(link.mtu));
  });

  test("of networks that have none, without failing", async () => {
    await ok("network", "create", "--config-only", "-o", "a=b", "cfg");
    for (const name of ["none", "host", "cfg"]) {
      expect((await inspect(name)).Status).toEqual({ IPAM: { Subnets: {} }, Effective: {} });
      expect(await verbose(name)).toEqual({ Links: [], Firewall: [], Endpoints: {} });
    }
  });
});

describe("a verbose inspect shows the kernel objects", () => {
  test("behind the network and each endpoint, as the kernel has them", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "x1");
    await idle("c1", "--network", "x1", "--network-alias", "web", "-p", "8080-8082:80-82", "-p", "53:53/udp");
    const { Id } = await inspect("x1");
    const kernel = await verbose("x1");
    const [link] = JSON.parse(await site().host.run("ip", "-j", "link", "show", `br-${Id.slice(0, 12)}`));
    expect(kernel.Links).toEqual([
      {
        Role: "bridge",
        Name: link.ifname,
        Index: link.ifindex,
        MacAddress: link.address,
        MTU: link.mtu,
        Up: true,
        Addresses: ["198.51.100.1/24"],
      },
    ]);
    expect(kernel.Firewall.join("\n")).toContain(`bridge ${link.ifname}: 198.51.100.0/24`);
    const container = await daemon().ask("GET", "/containers/c1/json");
    const { EndpointID } = container.NetworkSettings.Networks.x1;
    expect(Object.keys(kernel.Endpoints)).toEqual([EndpointID]);
    const endpoint = kernel.Endpoints[EndpointID];
    expect(endpoint).toMatchObject({
      Container: container.Id,
      Name: "c1",
      SandboxKey: container.NetworkSettings.SandboxKey,
      DNSNames: expect.arrayContaining(["c1", "web", container.Id.slice(0, 12)]),
      Ports: expect.arrayContaining(["0.0.0.0:8080-8082->80-82/tcp", "[::]:53->53/udp"]),
      Interface: { Name: "eth0" },
    });
    expect(existsSync(endpoint.SandboxKey)).toBe(true);
    const [port] = JSON.parse(await site().host.run("ip", "-j", "link", "show", endpoint.Port.Name));
    expect(endpoint.Port).toMatchObject({ Role: "port", Index: port.ifindex, MacAddress: port.address });
    expect(port.link_index).toBe(endpoint.Interface.Index);
    expect(port.master).toBe(link.ifname);
    expect(endpoint.Firewall.join("\n")).toContain("publish 0.0.0.0:8080-8082/tcp: to 198.51.100.2:80-82");
    await ok("rm", "-f", "c1");
    expect((await verbose("x1")).Endpoints).toEqual({});
  });

  test("without an index where somebody removed one", async () => {
    await ok("network", "create", "x1");
    const name = `br-${(await inspect("x1")).Id.slice(0, 12)}`;
    await site().host.run("ip", "link", "delete", name);
    expect((await verbose("x1")).Links).toEqual([{ Role: "bridge", Name: name }]);
  });

  test("to both clients, by -v", async () => {
    await ok("network", "create", "x1");
    for (const client of ["docker", "tsdocker"] as const) {
      const shown = async (...flags: string[]) => {
        const { stdout } = await daemon().client(client, ["network", "inspect", ...flags, "x1"]);
        return JSON.parse(stdout)[0].Status;
      };
      expect(await shown()).not.toHaveProperty("Kernel");
      expect(await shown("-v")).toHaveProperty("Kernel.Links");
      const format = "{{range .Status.Kernel.Links}}{{.Role}} {{.MTU}}{{end}}";
      const { stdout } = await daemon().client(client, ["network", "inspect", "-v", "-f", format, "x1"]);
      expect(stdout).toBe("bridge 1500\n");
    }
  });
});

describe("events tell of every change of a network:", () => {
  /** What was told of these networks, once it is as many as that: what an earlier test did may be told of after its end. */
  const told = async (ids: readonly string[], count: number, from = 0): Promise<DockerEvent[]> => {
    const ofThem = () =>
      daemon()
        .events.slice(from)
        .filter(({ Type, Actor }) => Type === "network" && ids.includes(Actor.ID));
    await until(`${count} events of networks`, () => ofThem().length >= count);
    return ofThem();
  };

  test("made, joined, left, changed and removed, with Docker's attributes", async () => {
    const id = await ok("network", "create", "x1");
    const container = await idle("c1", "--network", "x1");
    await daemon().tsdocker("port", "add", "c1", "8080:80");
    await daemon().tsdocker("port", "rm", "c1", "8080:80");
    await ok("network", "disconnect", "x1", "c1");
    await ok("network", "connect", "x1", "c1");
    await ok("rm", "-f", "c1");
    await ok("network", "rm", "x1");
    const own = { name: "x1", type: "bridge" };
    const joined = { ...own, container };
    expect((await told([id], 8)).map(({ Action, Actor }) => [Action, Actor.ID, Actor.Attributes])).toEqual([
      ["create", id, own],
      ["connect", id, joined],
      ["update", id, { ...joined, published: "8080:80/tcp" }],
      ["update", id, { ...joined, unpublished: "8080:80/tcp" }],
      ["disconnect", id, joined],
      ["connect", id, joined],
      ["disconnect", id, joined],
      ["destroy", id, own],
    ]);
  });

  test("pruned, each with its destroy before", async () => {
    const pruned = await ok("network", "create", "--label", "p", "x1");
    const spared = await ok("network", "create", "x2");
    await told([pruned, spared], 2);
    const from = daemon().events.length;
    await ok("network", "prune", "-f", "--filter", "label=p");
    const last = await told([pruned, spared, ""], 2, from);
    expect(last.map(({ Action, Actor }) => [Action, Actor.Attributes])).toEqual([
      ["destroy", { name: "x1", type: "bridge" }],
      ["prune", { reclaimed: "0" }],
    ]);
  });

  test("filtered by network, type, event and container", async () => {
    const start = (Date.now() / 1000).toFixed(3);
    await ok("network", "create", "--label", "l=1", "x1");
    await ok("network", "create", "x2");
    await idle("c1", "--network", "x1");
    const id = (await inspect("x1")).Id;
    const actions = async (...filters: string[]) => {
      const flags = filters.flatMap((filter) => ["--filter", filter]);
      const window = ["--since", start, "--until", `${Math.floor(Date.now() / 1000) + 1}`];
      const format = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}";
      return (await ok("events", ...window, ...flags, "--format", format)).split("\n");
    };
    expect(await actions("network=x1")).toEqual(["network create x1", "network connect x1"]);
    expect(await actions(`network=${id}`, "event=connect")).toEqual(["network connect x1"]);
    expect(await actions("type=network", "event=create")).toEqual(["network create x1", "network create x2"]);
    expect(await actions("network=x1", "network=x2", "event=create")).toHaveLength(2);
    expect(await actions("network=nope")).toEqual([""]);
  });
});

describe("network prune", () => {
  const names = async () => (await ok("network", "ls", "--format", "{{.Name}}")).split("\n");

  test("takes what no container uses, and neither configurations nor the daemon's own", async () => {
    await ok("network", "create", "used");
    await ok("network", "create", "free");
    await ok("network", "create", "--config-only", "cfg");
    await idle("c1", "--network", "used");
    const { stdout } = await daemon().tsdocker("network", "prune", "-f");
    expect(stdout).toBe("Deleted Networks:\nfree\n\n");
    expect(await names()).toEqual(["bridge", "cfg", "host", "none", "used"]);
  });

  test("obeys until, label and label!", async () => {
    for (const name of ["a", "b", "c"]) await ok("network", "create", "--label", `l=${name}`, name);
    expect(await ok("network", "prune", "-f", "--filter", "until=1h")).toBe("");
    expect(await ok("network", "prune", "-f", "--filter", "label=l=a")).toBe("Deleted Networks:\na");
    expect(await ok("network", "prune", "-f", "--filter", "label!=l=b")).toBe("Deleted Networks:\nc");
    const soon = String(Math.ceil(Date.now() / 1000) + 60);
    expect(await ok("network", "prune", "-f", "--filter", `until=${soon}`)).toBe("Deleted Networks:\nb");
    const wrong = await daemon().docker("network", "prune", "-f", "--filter", "nope=x");
    expect(wrong.stderr).toContain("invalid filter 'nope'");
  });
});
