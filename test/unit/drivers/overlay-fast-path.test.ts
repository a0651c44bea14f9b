// What the short cut of an overlay network is told, and when: its maps and filters without a kernel.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { countsPeers, FastPaths } from "../../../drivers/overlay/fast-path.ts";
import { portValue, wayValue } from "../../../drivers/overlay/fast-path-programs.ts";
import { readOverlayConfig } from "../../../drivers/overlay/options.ts";
import type { Row } from "../../../drivers/overlay/rows.ts";
import type { DriverNetns, Host } from "../../../src/driverapi/index.ts";
import * as kernel from "../../../src/kernel/index.ts";
import type { Log } from "../../../src/util/log.ts";
import { silentLog } from "../../../src/util/log.ts";
import { address, mac, prefix } from "../kernel/values.ts";

const [m1, m2, m3] = [mac("02:42:0a:09:00:02"), mac("02:42:0a:09:00:03"), mac("02:42:0a:09:00:04")];
const [tunnel, port] = [3, 7];
const links = { bridge: 2, tunnels: new Map([[5001, tunnel]]) };
const row = (of: typeof m1, link: number): Row => ({ kind: "port", mac: of, link });

/** A kernel that keeps maps as texts. */
function fakeBpf({ lack, room = 100 }: { readonly lack?: number; readonly room?: number } = {}) {
  const maps = new Map<string, Map<string, string>>();
  const open = new Set<string>();
  const create = ({ name, maxEntries }: kernel.bpf.MapSpec) => {
    if (lack !== undefined) throw new kernel.KernelError("bpftool map create", lack);
    const rows = new Map<string, string>();
    maps.set(name, rows).set(`${name} has room for ${maxEntries}`, new Map());
    open.add(name);
    return {
      fd: 1,
      set: (key: Buffer, value: Buffer) => {
        if (rows.size >= room && !rows.has(key.toString("hex"))) throw new kernel.KernelError("update", 7);
        rows.set(key.toString("hex"), value.toString("hex"));
      },
      delete: (key: Buffer) => rows.delete(key.toString("hex")),
      [Symbol.dispose]: () => open.delete(name),
    };
  };
  const load = ({ name }: kernel.bpf.ProgramSpec) => {
    open.add(name);
    return { fd: name.endsWith("rx") ? 11 : 10, id: 1, name, [Symbol.dispose]: () => open.delete(name) };
  };
  const early = fakeTcx();
  const bpf = { ...kernel.bpf, BpfMap: { create }, BpfProgram: { load }, ...early.bpf };
  return { link: { ...kernel, bpf } as unknown as Host["link"], maps, open, early };
}

/** TCX that notes what is asked; `refusal` is thrown instead. */
function fakeTcx() {
  const early = {
    asked: [] as string[],
    there: new Set<number>(),
    refusal: undefined as number | undefined,
    queryRefusal: undefined as number | undefined,
  };
  const ask = (words: string) => {
    early.asked.push(words);
    if (early.refusal !== undefined) throw new kernel.KernelError(words, early.refusal);
  };
  const bpf = {
    programsOn: async ({ link }: kernel.bpf.LinkIn) => {
      if (early.queryRefusal !== undefined) throw new kernel.KernelError("query", early.queryRefusal);
      return early.there.has(link) ? [1] : [];
    },
    attachEarly: async ({ link }: kernel.bpf.LinkIn, { name }: { name: string }) => ask(`${name} on ${link}`),
    detachEarly: async ({ link }: kernel.bpf.LinkIn) => ask(`none on ${link}`),
  };
  return Object.assign(early, { bpf });
}

function config(generic: Readonly<Record<string, string>> = {}, subnet = "10.9.0.0/24") {
  return readOverlayConfig({
    networkId: "b1".repeat(32),
    networkName: "blue",
    options: { enableIpv4: true, enableIpv6: false, internal: false, generic },
    ipv4Data: [{ addressSpace: "global", pool: prefix(subnet), auxAddresses: {} }],
    ipv6Data: [],
  });
}

async function network(wish: Parameters<typeof fakeBpf>[0] = {}, isOld = false) {
  const said: string[] = [];
  const log = {
    ...silentLog,
    warn: (...words: unknown[]) => void said.push(String(words.at(-1))),
    info: (...words: unknown[]) => void said.push(String(words.at(-1))),
  } as Log;
  const fake = fakeBpf(wish);
  const netlink = new kernel.FakeNetlink();
  await netlink.send(
    kernel.createBridge({ name: "br0" }),
    kernel.createVxlan({ name: "vx5001", vni: 5001, local: address("192.0.2.1") }),
  );
  const netns = { isOld, netlink } as unknown as DriverNetns;
  netlink.transcript.length = 0;
  return { ...fake, netlink, netns, paths: new FastPaths({ link: fake.link, log }), said };
}

const of = (macs: readonly { toString(): string }[]) =>
  macs.map((own) => `${String(own).replaceAll(":", "")}0000`);

describe("a network's short cut", () => {
  test("begins with a filter on each tunnel, and each port comes with one", async () => {
    const { netlink, netns, paths } = await network();
    const path = paths.make(netns, config());
    await path.begin(links);
    expect(netlink.transcript).toEqual([
      "tc qdisc add dev if3 clsact",
      "tc filter replace dev if3 ingress prio 29811 handle 1 bpf da fd 11 name tsdocker_rx",
    ]);
    expect(path.portRequests(port).map(({ words }) => words)).toEqual([
      "tc qdisc add dev if7 clsact",
      "tc filter replace dev if7 ingress prio 29811 handle 1 bpf da fd 10 name tsdocker_tx",
    ]);
    expect(path.lack).toBeUndefined();
  });

  test("knows where MACs are as the bridge does, and forgets before it", async () => {
    const { maps, netns, paths } = await network();
    const path = paths.make(netns, config());
    await path.begin(links);
    const ways = maps.get("ways");
    path.put([row(m1, port), row(m2, tunnel), { kind: "flood", link: tunnel, to: address("192.0.2.2") }]);
    expect([...(ways?.keys() ?? [])]).toEqual(of([m1, m2]));
    expect([...(ways?.values() ?? [])]).toEqual(["0700000001000000", "0300000000000000"]);
    // what was replaced meanwhile is not what is dropped
    path.put([row(m1, tunnel)]);
    path.drop([row(m1, port)]);
    expect(ways?.get(of([m1])[0] ?? "")).toBe("0300000000000000");
    path.keep([row(m1, port), row(m2, tunnel)]);
    expect([...(ways?.keys() ?? [])]).toEqual(of([m2]));
    path.drop([row(m2, tunnel)]);
    expect(ways?.size).toBe(0);
  });

  test("knows what may come from a port until it is dismissed", async () => {
    const { maps, netns, paths } = await network();
    const path = paths.make(netns, config());
    path.admit(port, { mac: m1, addresses: [address("10.9.0.2"), address("fd09::2")] });
    expect([...(maps.get("ports") ?? [])]).toEqual([
      ["07000000", "02420a0900020300" + "0a09000200000000" + "fd090000000000000000000000000002"],
    ]);
    path.dismiss(port);
    expect(maps.get("ports")?.size).toBe(0);
  });

  test("has room for the network's containers, within reason", async () => {
    for (const [subnet, room] of [
      ["10.9.0.0/29", 64],
      ["10.9.0.0/23", 512],
      ["10.0.0.0/8", 16_384],
    ] as const) {
      const { maps, netns, paths } = await network();
      paths.make(netns, config({}, subnet));
      expect([...maps.keys()]).toContain(`ways has room for ${room}`);
    }
  });

  test("leaves those to the bridge for which there is no room, and says so once", async () => {
    const { maps, netns, paths, said } = await network({ room: 1 });
    const path = paths.make(netns, config());
    path.put([row(m1, tunnel), row(m2, tunnel), row(m3, tunnel)]);
    expect([...(maps.get("ways")?.keys() ?? [])]).toEqual(of([m1]));
    expect(said).toEqual(["an overlay's short cut knows no more containers"]);
    path.drop([row(m2, tunnel), row(m1, tunnel)]);
    path.put([row(m3, tunnel)]);
    expect([...(maps.get("ways")?.keys() ?? [])]).toEqual(of([m3]));
  });

  test("lets go of what it opened, once", async () => {
    const { open, netns, paths } = await network();
    const path = paths.make(netns, config());
    expect(open.size).toBe(4);
    await path.close();
    await path.close();
    expect(open.size).toBe(0);
    path.put([row(m1, tunnel)]);
    path.admit(port, { mac: m1, addresses: [] });
    expect(path.portRequests(port)).toEqual([]);
  });
});

describe("without a short cut", () => {
  test("a network that turned it off asks nothing of the kernel", async () => {
    const { netlink, netns, open, paths, said } = await network();
    const path = paths.make(netns, config({ "tsdocker.fastpath": "off" }));
    await path.begin(links);
    path.put([row(m1, tunnel)]);
    expect(await path.repair(links, [port])).toBe(0);
    expect([path.lack, open.size, netlink.transcript, said]).toEqual(["turned off", 0, [], []]);
  });

  test("a kernel that has no eBPF is asked once, and the log says so once", async () => {
    const { netns, netlink, paths, said } = await network({ lack: 38 });
    for (const path of [paths.make(netns, config()), paths.make(netns, config())]) {
      await path.begin(links);
      expect(path.lack).toMatch(/^bpftool map create: /);
    }
    expect(netlink.transcript).toEqual([]);
    expect(said).toEqual(["overlays have no short cut: all packets take the bridge"]);
  });

  test("a kernel that has no filters keeps no program, and ports come without", async () => {
    const { netlink, netns, open, paths, said } = await network();
    netlink.refuse("clsact", 2);
    const path = paths.make(netns, config());
    await path.begin(links);
    expect(path.lack).toContain("clsact: no such file or directory");
    expect([open.size, path.portRequests(port), said.length]).toEqual([0, [], 1]);
    expect(paths.make(netns, config()).lack).toBe(path.lack);
  });

  test("a network for which there was no memory is the only one", async () => {
    const { netlink, netns, paths } = await network();
    netlink.refuse("clsact", 12);
    const path = paths.make(netns, config());
    await path.begin(links);
    netlink.relent();
    expect(path.lack).toContain("cannot allocate memory");
    expect(paths.make(netns, config()).lack).toBeUndefined();
  });

  test("filters of an earlier process go, which know what was true then", async () => {
    const { netlink, netns, paths } = await network({ lack: 1 }, true);
    await netlink.send(kernel.createVeth({ name: "veth1", index: port, peer: { name: "p" } }));
    netlink.transcript.length = 0;
    await paths.make(netns, config()).begin(links);
    expect(netlink.transcript).toEqual(
      [tunnel, port].map((link) => `tc filter delete dev if${link} ingress prio 29811 handle 1 bpf`),
    );
  });
});

describe("programs in front of filters", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function started(isOld = false) {
    const made = await network({}, isOld);
    const path = made.paths.make(made.netns, config());
    return { ...made, path };
  }

  test("come when links have been there for a while, one after the other", async () => {
    const { early, path } = await started();
    await path.begin(links);
    path.admit(port, { mac: m1, addresses: [] });
    path.admit(8, { mac: m2, addresses: [] });
    path.dismiss(8);
    await vi.advanceTimersByTimeAsync(1_900);
    expect(early.asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(early.asked).toEqual(["tsdocker_rx on 3"]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(early.asked).toEqual(["tsdocker_rx on 3", "tsdocker_tx on 7"]);
  });

  test("do not come any more when the network is let go of", async () => {
    const { early, path } = await started();
    await path.begin(links);
    await path.close();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(early.asked).toEqual([]);
  });

  test("are not asked for again where the kernel has no TCX, and again where a link was gone", async () => {
    for (const [errno, count] of [
      [22, 1],
      [19, 2],
    ] as const) {
      const { early, path } = await started();
      early.refusal = errno;
      await path.begin(links);
      path.admit(port, { mac: m1, addresses: [] });
      await vi.advanceTimersByTimeAsync(10_000);
      expect(early.asked).toHaveLength(count);
    }
  });

  test("of an earlier process are replaced at once, and go where there are none now", async () => {
    for (const [generic, words] of [
      [{}, "tsdocker_rx on 3"],
      [{ "tsdocker.fastpath": "off" }, "none on 3"],
    ] as const) {
      const made = await network({}, true);
      made.early.there.add(tunnel);
      await made.paths.make(made.netns, config(generic)).begin(links);
      expect(made.early.asked).toEqual([words]);
    }
  });

  test.each([
    ["turned off", "refusal", { "tsdocker.fastpath": "off" }, "none on 3"],
    ["turned off", "queryRefusal", { "tsdocker.fastpath": "off" }, "none on 3"],
    ["on", "refusal", {}, "tsdocker_rx on 3"],
  ] as const)(
    "that cannot be taken off are told of, and tried again: %s, %s",
    async (_, what, generic, words) => {
      const { early, netns, paths, said } = await network({}, true);
      early.there.add(tunnel);
      early[what] = 1;
      const path = paths.make(netns, config(generic));
      await path.begin(links);
      expect([path.staleCount, said.length]).toEqual([1, 1]);
      expect(said[0]).toMatch(/^an earlier daemon's short cut cannot be taken off/);
      await path.repair(links, []);
      expect([path.staleCount, said.length]).toEqual([1, 1]);
      delete early[what];
      early.asked.length = 0;
      expect(await path.repair(links, [])).toBeGreaterThan(0);
      expect([path.staleCount, early.asked]).toEqual([0, [words]]);
      await path.repair(links, []);
      expect([said.length, early.asked.length]).toEqual([1, 1]);
    },
  );

  test("are no trouble where there is no TCX, and on links that are gone", async () => {
    for (const errno of [22, 38, 19]) {
      const { early, netns, paths, said } = await network({}, true);
      early.queryRefusal = errno;
      const path = paths.make(netns, config({ "tsdocker.fastpath": "off" }));
      await path.begin(links);
      expect([path.staleCount, said]).toEqual([0, []]);
    }
  });
});

test("what the programs read stands where they read it", () => {
  expect(portValue({ mac: m1, addresses: [address("10.9.0.2")] }).toString("hex")).toBe(
    `02420a09000201000a09000200000000${"0".repeat(32)}`,
  );
  expect(wayValue({ link: 0x1234_5678, isTunnel: true }).toString("hex")).toBe("7856341200000000");
});

test.for([
  ["5.15.0-91-generic", false],
  ["6.1.0-18-amd64", false],
  ["6.6.30", false],
  ["6.7.0-rc1", true],
  ["6.18.44", true],
  ["7.0.1", true],
] as const)("Linux %s counts what comes in by the other end: %s", ([release, expected]) => {
  expect(countsPeers(release)).toBe(expected);
});
