// Ports of services on one host: what is opened, closed and said, with a controller that only writes down.

import { beforeEach, describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/fake-cluster.ts";
import type { Network, PublishedService, Sandbox, SandboxSpec, Service } from "../../../src/cnm/index.ts";
import { Ingress, type IngressChange } from "../../../src/cnm/index.ts";
import type { IngressOptions } from "../../../src/cnm/ingress/index.ts";
import { conflict, wrapError } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { address, prefix } from "../api/fake-engine.ts";

const blue = "b1".repeat(32);

function port(publishedPort: number, targetPort = 80): PublishedService {
  return { protocol: "tcp", publishedPort, targetPort };
}

function service(published: readonly PublishedService[], given: Partial<Service> = {}): Service {
  const backend = { endpointId: "e1", node: "n2", containerName: "w1", isReady: true, isLocal: false };
  return {
    networkId: blue,
    networkName: "blue",
    name: "web",
    vips: [address("10.0.0.9")],
    published,
    backends: [{ ...backend, addresses: [address("10.0.0.2")] }],
    ...given,
  };
}

/** A sandbox whose ports are its only trade. */
class FakeSandbox {
  readonly netnsPath: string;
  spec: SandboxSpec;
  readonly #world: World;

  constructor(world: World, spec: SandboxSpec) {
    this.#world = world;
    this.spec = spec;
    this.netnsPath = `/run/${spec.containerId}`;
  }

  endpoints() {
    const own = { networkId: blue, interfaceName: "eth0", ipv4: prefix("10.0.0.5/24") };
    return this.spec.endpoints.map(() => own);
  }

  publishedPorts() {
    return this.spec.portBindings.map(({ protocol, containerPort, hostPorts }) => ({
      protocol,
      containerPort,
      hostPort: hostPorts?.first ?? 0,
    }));
  }

  async setPorts(ports: Partial<SandboxSpec>): Promise<void> {
    const taken = ports.portBindings?.find(({ containerPort }) => this.#world.taken.has(containerPort));
    if (taken) throw wrapError(conflict(`port ${taken.containerPort} is in use`), "publish for an endpoint");
    this.spec = { ...this.spec, ...ports };
  }

  async delete(): Promise<void> {
    this.#world.sandboxes.delete(this.spec.containerId);
  }
}

class World {
  readonly sandboxes = new Map<string, FakeSandbox>();
  readonly taken = new Set<number>();
  readonly rules = new Map<string, Parameters<IngressOptions["setIngress"]>[1]>();
  readonly returnPaths: string[] = [];
  readonly told: IngressChange[] = [];
  network = { id: blue, name: "blue", record: { internal: false, pools: [] }, endpoints: new Map() };
  services: Service[] = [];
  #listener: (() => void) | undefined;

  /** The services are these from now on. */
  become(...services: Service[]): void {
    this.services = services;
    this.#listener?.();
  }

  ingress(retryMs = 60_000): Ingress {
    const controller: IngressOptions["controller"] = {
      createSandbox: async (spec) => {
        const sandbox = new FakeSandbox(this, spec);
        this.sandboxes.set(spec.containerId, sandbox);
        return sandbox as unknown as Sandbox;
      },
      sandbox: (id) => this.sandboxes.get(id) as unknown as Sandbox | undefined,
      networks: () => [this.network as unknown as Network],
      services: () => this.services,
      followServices: (listener) => {
        this.#listener = () => listener(this.services, [{ networkId: blue, name: "web" }]);
        return () => {
          this.#listener = undefined;
        };
      },
    };
    const ingress = new Ingress({
      controller,
      setIngress: async (netns, rules) => void this.rules.set(netns, rules),
      returnPaths: {
        add: async ({ netns }) => void this.returnPaths.push(`add ${netns}`),
        delete: async ({ netns }) => void this.returnPaths.push(`delete ${netns}`),
      },
      retryMs,
      log: silentLog,
    });
    ingress.follow((change) => this.told.push(change));
    return ingress;
  }

  /** Ports that are open on this host. */
  get open(): number[] {
    return [...this.sandboxes.values()].flatMap((it) => it.publishedPorts().map(({ hostPort }) => hostPort));
  }
}

let world: World;
let cluster: FakeCluster;
beforeEach(() => {
  world = new World();
  cluster = new FakeCluster();
});

async function begun(ingress = world.ingress()): Promise<Ingress> {
  await ingress.begin(await cluster.addNode("n1"));
  await ingress.settle();
  return ingress;
}

describe("ports of services", () => {
  test("are open where the service has endpoints, and lead to those that are ready", async () => {
    world.services = [service([port(8080)])];
    const ingress = await begun();
    expect(world.open).toEqual([8080]);
    expect([...world.rules]).toEqual([
      [
        `/run/ingress-${blue.slice(0, 12)}`,
        {
          link: "eth0",
          ports: [{ protocol: "tcp", port: 8080, targetPort: 80, backends: [address("10.0.0.2")] }],
          direct: { addresses: [], except: [] },
        },
      ],
    ]);
    await ingress.end({ leaves: true });
  });

  test("come and go with what is published, and with the last endpoint", async () => {
    const ingress = await begun();
    expect(world.sandboxes.size).toBe(0);
    world.become(service([port(8080), port(9090)]));
    await ingress.settle();
    expect(world.open).toEqual([8080, 9090]);
    world.become(service([port(9090)]));
    await ingress.settle();
    expect(world.open).toEqual([9090]);
    world.become(service([port(9090)], { backends: [] }));
    await ingress.settle();
    expect(world.sandboxes.size).toBe(0);
  });

  test("of an internal network stay closed", async () => {
    world.network = { ...world.network, record: { internal: true, pools: [] } };
    world.services = [service([port(8080)])];
    await begun();
    expect(world.sandboxes.size).toBe(0);
  });

  test("stay as they are when the daemon ends and containers do not, and go when the host leaves", async () => {
    world.services = [service([port(8080)])];
    await (await begun()).close({ keeps: true });
    expect(world.open).toEqual([8080]);
    const again = await begun();
    expect(world.open).toEqual([8080]);
    await again.end({ leaves: true });
    expect(world.sandboxes.size).toBe(0);
  });
});

describe("a port that is taken", () => {
  test("does not keep others closed; all hosts are told why, and when it is open at last", async () => {
    world.taken.add(8080);
    world.services = [service([port(8080), port(9090)])];
    const ingress = await begun(world.ingress(1));
    expect(world.open).toEqual([9090]);
    const reason = "port 8080 is in use";
    expect(ingress.closedPorts(blue)).toEqual([
      { networkId: blue, node: "n1", protocol: "tcp", publishedPort: 8080, reason },
    ]);
    expect(world.told).toMatchObject([{ networkName: "blue", port: { port: 8080 }, reason }]);
    world.taken.clear();
    await expect.poll(() => world.open).toEqual([9090, 8080].sort((a, b) => a - b));
    await expect.poll(() => ingress.closedPorts(blue)).toEqual([]);
    expect(world.told).toHaveLength(2);
    expect(world.told[1]).not.toHaveProperty("reason");
    await ingress.end({ leaves: true });
  });

  test("of another host is told as well, and when it is open", async () => {
    world.services = [service([port(8080)])];
    const ingress = await begun();
    const table = await (await cluster.addNode("n2")).table<{ reason: string }>("closed-ports");
    await table.put(`${blue}/n2/tcp/8080`, { reason: "taken" });
    await expect
      .poll(() => world.told)
      .toEqual([
        {
          node: "n2",
          networkId: blue,
          networkName: "blue",
          port: { protocol: "tcp", port: 8080 },
          reason: "taken",
        },
      ]);
    expect(ingress.closedPorts()).toMatchObject([{ node: "n2", publishedPort: 8080 }]);
    await table.delete(`${blue}/n2/tcp/8080`);
    await expect.poll(() => world.told.length).toBe(2);
    expect(world.told[1]).not.toHaveProperty("reason");
    await ingress.end({ leaves: true });
  });

  test("is known to who asks for it to be opened, without waiting to hear of the change", async () => {
    const ingress = await begun();
    world.taken.add(8080);
    world.services = [service([port(8080)])];
    await ingress.serve(blue);
    expect(ingress.closedPorts(blue)).toMatchObject([{ node: "n1", reason: "port 8080 is in use" }]);
  });

  test("is forgotten with its service", async () => {
    world.taken.add(8080);
    world.services = [service([port(8080)])];
    const ingress = await begun();
    world.become(service([]));
    await ingress.settle();
    expect(ingress.closedPorts(blue)).toEqual([]);
    // it was closed, and is not open now
    expect(world.told.map(({ reason }) => reason)).toEqual(["port 8080 is in use"]);
  });
});

describe("an endpoint on this host", () => {
  const own = (networks: number) => {
    const endpoints = Array.from({ length: networks }, () => ({
      networkId: blue,
      interfaceName: "eth0",
      ipv4: prefix("10.0.0.2/24"),
    }));
    const sandbox = { netnsPath: "/run/w1", endpoints: () => endpoints };
    world.sandboxes.set("w1", sandbox as unknown as FakeSandbox);
    world.network.endpoints.set("e1", { record: { containerId: "w1" } });
    const [backend] = service([]).backends;
    if (!backend) throw new Error("the service has an endpoint");
    return service([port(8080)], { backends: [{ ...backend, isLocal: true }] });
  };
  const direct = () => [...world.rules.values()].at(-1)?.direct?.addresses;

  test("sees clients as they are, once its answers come back by the ingress", async () => {
    world.services = [own(1)];
    const ingress = await begun();
    expect(world.returnPaths).toEqual(["add /run/w1"]);
    expect(direct()).toEqual([address("10.0.0.2")]);
    world.become({ ...own(1) });
    await ingress.settle();
    expect(world.returnPaths).toEqual(["add /run/w1"]);
    world.become(service([]));
    await ingress.settle();
    expect(world.returnPaths).toEqual(["add /run/w1", "delete /run/w1"]);
  });

  test("does not when its container is on more networks: answers could go another way", async () => {
    world.services = [own(2)];
    await begun();
    expect(world.returnPaths).toEqual([]);
    expect(direct()).toEqual([]);
  });
});

test("a sandbox that cannot stay on its network is made anew", async () => {
  world.services = [service([port(8080)])];
  const ingress = await begun();
  const [before] = world.sandboxes.values();
  const containerId = before?.spec.containerId ?? "";
  const loss = { networkId: blue, networkName: "blue", endpointId: "e", reason: "its address is another's" };
  expect(ingress.lost({ ...loss, containerId: "c1" })).toBe(false);
  expect(ingress.lost({ ...loss, containerId })).toBe(true);
  await ingress.settle();
  expect(world.sandboxes.get(containerId)).not.toBe(before);
  expect(world.open).toEqual([8080]);
});
