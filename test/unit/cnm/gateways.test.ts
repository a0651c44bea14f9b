// Which network a container's packets leave by, and its ports with them, whatever the order in which it came there.

import { describe, expect, test } from "vitest";
import { chooseGateways } from "../../../src/cnm/gateway.ts";
import type { EndpointSpec, Sandbox } from "../../../src/cnm/index.ts";
import type { NetworkDriver } from "../../../src/driverapi/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeDriver, type FakeWorld, type Steps } from "./fakes.ts";

type Kind = "four" | "six" | "both" | "internal";

interface Wish {
  readonly name: string;
  readonly kind: Kind;
  readonly priority: number;
}

const hasGateway = (kind: Kind) => ({
  4: kind === "four" || kind === "both",
  6: kind === "six" || kind === "both",
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) =>
    permutations(items.filter((_, other) => other !== at)).map((rest) => [item, ...rest]),
  );
}

/** Gateways of both families where the network has them: the fake's has IPv4 ones only. */
class DualDriver extends FakeDriver {
  readonly #kinds = new Map<string, Kind>();

  override async createNetwork(request: Parameters<NetworkDriver["createNetwork"]>[0]): Promise<void> {
    await super.createNetwork(request);
    const { enableIpv4, enableIpv6, internal } = request.options;
    const kind = enableIpv4 && enableIpv6 ? "both" : enableIpv4 ? "four" : "six";
    this.#kinds.set(request.networkId, internal ? "internal" : kind);
  }

  override async join(request: Parameters<NetworkDriver["join"]>[0]): ReturnType<NetworkDriver["join"]> {
    const { gateway: _, ...response } = await super.join(request);
    const has = hasGateway(this.#kinds.get(request.networkId) ?? "internal");
    return {
      ...response,
      ...(has[4] && { gateway: { family: 4, value: 1n } }),
      ...(has[6] && { gatewayIpv6: { family: 6, value: 1n } }),
    };
  }
}

async function worldOf(wishes: readonly Wish[]): Promise<FakeWorld> {
  const world = await createFakeWorld({ drivers: (steps: Steps) => [new DualDriver(steps, "dual")] });
  for (const { name, kind } of wishes) {
    await world.controller.createNetwork(
      networkSpec(name, {
        driver: "dual",
        internal: kind === "internal",
        enableIpv4: kind !== "six",
        enableIpv6: kind === "six" || kind === "both",
      }),
    );
  }
  return world;
}

const specOf = ({ name, priority }: Wish): EndpointSpec => endpointSpec(name, { gatewayPriority: priority });

/** By family: the network that the main table's default route leads to, read from what the kernel was told. */
function defaults({ steps }: FakeWorld, sandbox: Sandbox): Record<4 | 6, string | undefined> {
  const found: Record<4 | 6, string | undefined> = { 4: undefined, 6: undefined };
  for (const step of steps.transcript) {
    const family = step.includes("ip -6 route") ? 6 : 4;
    if (/route delete default$/.test(step)) found[family] = undefined;
    const link = /route replace default .*dev if([0-9]+)$/.exec(step)?.[1];
    if (link !== undefined) found[family] = linkNames.get(sandbox)?.get(Number(link));
  }
  return found;
}

/** The networks of a sandbox's links, by index. */
const linkNames = new WeakMap<Sandbox, Map<number, string>>();

/** What Docker's order says of these networks: priority, not internal, families, name. */
function expected(wishes: readonly Wish[]): Record<4 | 6, string | undefined> {
  const ranked = [...wishes].sort(
    (a, b) =>
      b.priority - a.priority ||
      Number(a.kind === "internal") - Number(b.kind === "internal") ||
      Number(b.kind === "both") - Number(a.kind === "both") ||
      (a.name < b.name ? -1 : 1),
  );
  return {
    4: ranked.find(({ kind }) => hasGateway(kind)[4])?.name,
    6: ranked.find(({ kind }) => hasGateway(kind)[6])?.name,
  };
}

const sets: Readonly<Record<string, readonly Wish[]>> = {
  "by name": ["e", "c", "a", "d", "b"].map((name) => ({ name, kind: "four", priority: 0 })),
  "by priority": [3, -2, 7, 0, 7].map((priority, at) => ({ name: `n${at}`, kind: "both", priority })),
  "by families": (["four", "six", "both", "internal", "four"] as const).map((kind, at) => ({
    name: `n${at}`,
    kind,
    priority: 0,
  })),
  "differing between families": [
    { name: "a", kind: "four", priority: 9 },
    { name: "b", kind: "six", priority: 8 },
    { name: "c", kind: "both", priority: 1 },
    { name: "d", kind: "internal", priority: 99 },
    { name: "e", kind: "six", priority: 8 },
  ],
};

describe.each(Object.entries(sets))("the way out among five networks, %s", (_, wishes) => {
  test("is the same in each of the 120 orders of connecting, and of the 120 of disconnecting", async () => {
    const world = await worldOf(wishes);
    for (const order of permutations(wishes)) {
      world.steps.transcript.length = 0;
      const sandbox = await world.controller.createSandbox(sandboxSpec("c1"));
      const names = new Map<number, string>();
      linkNames.set(sandbox, names);
      const here: Wish[] = [];
      const check = () => expect(defaults(world, sandbox)).toEqual(expected(here));
      for (const wish of order) {
        names.set(names.size + 2, wish.name);
        await sandbox.connect(specOf(wish));
        here.push(wish);
        check();
      }
      for (const wish of order) {
        await sandbox.disconnect(wish.name);
        here.shift();
        check();
      }
      await sandbox.delete();
    }
  }, 60_000);
});

test("the choice itself does not depend on the order of the candidates", () => {
  const candidates = sets["differing between families"]?.map(({ name, kind, priority }) => ({
    networkName: name,
    priority,
    internal: kind === "internal",
    hasGateway: hasGateway(kind),
  }));
  for (const order of permutations(candidates ?? [])) {
    const gateways = chooseGateways(order);
    expect([gateways[4]?.networkName, gateways[6]?.networkName]).toEqual(["a", "b"]);
  }
});

describe("answers", () => {
  test("have tables of their own while there are two ways out, and none for one", async () => {
    const world = await worldOf(sets["by name"] ?? []);
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("a")] }),
    );
    const told = () => {
      const rules = world.steps.transcript.filter((step) => /rule|table/.test(step));
      world.steps.transcript.length = 0;
      return rules;
    };
    expect(told()).toEqual([]);
    await sandbox.connect(endpointSpec("b"));
    const [a, b] = sandbox.endpoints().map(({ ipv4 }) => ipv4 && formatAddress(ipv4.address));
    expect(told()).toEqual([
      "sandbox: ip rule add priority 32000 from all lookup 254 suppress_prefixlength 0",
      "sandbox: ip route replace default via 0.0.0.1 dev if2 table 1002",
      `sandbox: ip rule add priority 32001 from ${a} lookup 1002`,
      "sandbox: ip route replace default via 0.0.0.1 dev if3 table 1003",
      `sandbox: ip rule add priority 32001 from ${b} lookup 1003`,
    ]);
    await sandbox.disconnect("a");
    expect(told()).toEqual([
      "sandbox: ip rule delete priority 32000 from all lookup 254 suppress_prefixlength 0",
      `sandbox: ip rule delete priority 32001 from ${a} lookup 1002`,
      "sandbox: ip route delete default table 1002",
      `sandbox: ip rule delete priority 32001 from ${b} lookup 1003`,
      "sandbox: ip route delete default table 1003",
    ]);
  });
});

describe("a network on which containers are reached directly", () => {
  /** Networks called `routed` are. */
  class RoutedDriver extends FakeDriver {
    readonly #routed = new Set<string>();

    override async createNetwork(request: Parameters<NetworkDriver["createNetwork"]>[0]): Promise<void> {
      await super.createNetwork(request);
      if (request.networkName === "routed") this.#routed.add(request.networkId);
    }

    override async join(request: Parameters<NetworkDriver["join"]>[0]): ReturnType<NetworkDriver["join"]> {
      const response = await super.join(request);
      return { ...response, ...(this.#routed.has(request.networkId) && { isReachedDirectly: true }) };
    }
  }

  test("has its ports open whichever is the way out, until the container leaves it", async () => {
    let driver: RoutedDriver | undefined;
    const world = await createFakeWorld({
      drivers: (steps: Steps) => {
        driver = new RoutedDriver(steps, "dual");
        return [driver];
      },
    });
    for (const name of ["a", "b", "routed"])
      await world.controller.createNetwork(networkSpec(name, { driver: "dual" }));
    const binding = { protocol: "tcp" as const, containerPort: 80, hostPorts: { first: 8080, last: 8080 } };
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", {
        endpoints: [endpointSpec("a", { gatewayPriority: 1 }), endpointSpec("b"), endpointSpec("routed")],
        portBindings: [binding],
      }),
    );
    const open = () =>
      sandbox
        .endpoints()
        .filter(({ endpointId }) => driver?.published.has(endpointId))
        .map(({ networkName }) => networkName);
    expect(open()).toEqual(["a", "routed"]);
    await sandbox.disconnect("a");
    expect(open()).toEqual(["b", "routed"]);
    const before = sandbox.endpoints().find(({ networkName }) => networkName === "routed")?.endpointId;
    await sandbox.disconnect("routed");
    expect(driver?.published.has(before ?? "")).toBe(false);
    expect(open()).toEqual(["b"]);
  });
});
