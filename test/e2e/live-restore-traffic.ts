// Whatever happens to the daemon, traffic goes on and the kernel stays as it is; with either firewall.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openNftables } from "../../src/kernel/nftables/index.ts";
import type { LabHost } from "../lab/lab.ts";
import { everyStep } from "../lab/steps.ts";
import { run, until } from "./run.ts";
import type { Site } from "./site.ts";
import { losses, Traffic } from "./traffic.ts";

const image = "busybox";

export function describeTraffic(site: () => Site, { restarts }: { readonly restarts: number }): void {
  const daemon = () => site().daemon;
  const ok = (...args: readonly string[]) => daemon().ok(...args);
  const inside = new Map<string, LabHost>();

  beforeAll(async () => {
    await ok("network", "create", "--ipv6", "both");
    await ok(
      "network",
      "create",
      "--subnet",
      "198.51.100.0/24",
      "-o",
      "com.docker.network.driver.mtu=1400",
      "four",
    );
    const ports = ["-p", "8080:80", "-p", "8080:80/udp", "-p", "127.0.0.1:8081:80", "-p", "[::1]:8082:80"];
    await ok("run", "-d", "--name", "server", "--network", "both", ...ports, image, "sleep", "10000");
    await ok("run", "-d", "--name", "client", "--network", "both", image, "sleep", "10000");
    await ok("network", "connect", "--alias", "other", "four", "client");
    await ok("run", "-d", "--name", "four4", "--network", "four", "-p", "8084:80", image, "sleep", "10000");
    await ok("run", "-d", "--name", "plain", "-P", "--expose", "80", image, "sleep", "10000");
    for (const name of ["server", "client", "four4", "plain"]) inside.set(name, await daemon().inside(name));
    // a link-local address gets its route when nobody has objected to it (RFC 4862 5.4), up to two seconds later
    await Promise.all([site().host, ...inside.values()].map(hasSettledAddresses));
  });

  // a test that failed may have left us without
  afterEach(async () => {
    if (daemon().hasEnded) await daemon().start();
  });

  afterAll(async () => {
    await everyStep(...[...inside.values()].map((host) => () => host.close()), () => daemon().removeAll());
  });

  const container = (name: string): LabHost => {
    const host = inside.get(name);
    if (!host) throw new Error(`${name} was not started`);
    return host;
  };

  /** Every way there is to a container, used all the time. */
  async function startTraffic(traffic: Traffic): Promise<void> {
    const { host, peer } = site();
    const { Networks } = (await daemon().ask("GET", "/containers/server/json")).NetworkSettings;
    const { IPAddress, GlobalIPv6Address } = Networks.both;
    for (const name of ["server", "four4"]) await traffic.serve(container(name), 80);
    const client = container("client");
    await traffic.start(client, { kind: "tcp", address: IPAddress, port: 80 });
    await traffic.start(client, { kind: "udp", address: IPAddress, port: 80 });
    await traffic.start(client, { kind: "udp", address: GlobalIPv6Address, port: 80 });
    await traffic.start(client, { kind: "dns", name: "server" });
    await traffic.start(client, { kind: "dns", name: "four4" });
    await traffic.start(container("four4"), { kind: "dns", name: "other" });
    for (const address of ["192.0.2.1", "2001:db8::1"]) {
      await traffic.start(peer, { kind: "tcp", address, port: 8080 });
      await traffic.start(peer, { kind: "udp", address, port: 8080 });
      await traffic.start(peer, { kind: "connects", address, port: 8080 });
    }
    await traffic.start(peer, { kind: "connects", address: "2001:db8::1", port: 8084 });
    for (const address of ["192.0.2.1", "127.0.0.1", "::1"])
      await traffic.start(host, { kind: "connects", address, port: 8080 });
    await traffic.start(host, { kind: "connects", address: "127.0.0.1", port: 8081 });
    await traffic.start(host, { kind: "connects", address: "::1", port: 8082 });
    await traffic.start(host, { kind: "tcp", address: "::1", port: 8080 });
  }

  describe.each([
    ["stopped", "SIGTERM"],
    ["killed", "SIGKILL"],
  ] as const)("when the daemon is %s and comes back", (_, signal) => {
    test("nothing that is on its way is lost", async () => {
      await using traffic = new Traffic();
      await startTraffic(traffic);
      await traffic.flows(50);
      await daemon().signal(signal);
      await traffic.flows(50);
      await daemon().start();
      await traffic.flows(50);
      const tallies = await traffic.stop();
      expect(losses(tallies)).toEqual({});
    });

    test("the kernel has what it had, and nothing was written to it", async () => {
      const before = await everything();
      const generation = await nftablesGeneration();
      await daemon().signal(signal);
      expect(difference(before, await everything(false), withoutFence)).toEqual({});
      await daemon().start();
      await expect.poll(async () => difference(before, await everything())).toEqual({});
      expect(await nftablesGeneration()).toEqual(generation);
    });
  });

  test(`${restarts} restarts in a row change nothing`, { timeout: 400_000 }, async () => {
    const all = async () => ({ ...(await everything()), ...(await records()), ...(await processes()) });
    // what came before closes its connections a little later
    const before = await until("nothing changes", async () => {
      const [one, two] = [await all(), await all()];
      return Object.keys(difference(one, two)).length === 0 && two;
    });
    await using traffic = new Traffic();
    await traffic.serve(container("server"), 80);
    await traffic.start(container("client"), { kind: "dns", name: "server" });
    await traffic.start(site().peer, { kind: "udp", address: "192.0.2.1", port: 8080 });
    await traffic.start(site().host, { kind: "connects", address: "::1", port: 8080 });
    for (let round = 0; round < restarts; round++) {
      await daemon().signal(round % 2 === 0 ? "SIGTERM" : "SIGKILL");
      await daemon().start();
    }
    expect(losses(await traffic.stop())).toEqual({});
    await expect.poll(async () => difference(before, await all())).toEqual({});
  });

  /** Rules, links, addresses, routes, sysctls of the host and of each container, as text without counters and timers. */
  async function everything(isServed = true): Promise<Record<string, string>> {
    const places = [site().host, ...inside.values()];
    const all = await Promise.all(
      places.map(async (place) => [place.name, await netnsState(place)] as const),
    );
    const pins = (await readdir(join(daemon().folder, "run", "netns"))).sort();
    const own = pins.filter((pin) => [...inside.values()].some(({ netns }) => netns.endsWith(pin)));
    return {
      ...Object.fromEntries(
        all.flatMap(([name, state]) => Object.entries(state).map(([k, v]) => [`${name} ${k}`, v])),
      ),
      pins: own.join(" "),
      // those that are ready for the next containers come and go with the daemon
      ...(isServed && { files: await etcFiles() }),
    };
  }

  async function etcFiles(): Promise<string> {
    const texts = [...inside.keys()].map((name) => ok("exec", name, "cat", "/etc/hosts", "/etc/resolv.conf"));
    return (await Promise.all(texts)).join("\n");
  }

  async function records(): Promise<Record<string, string>> {
    const containers = await daemon().ask("GET", "/containers/json?all=1");
    const views = await Promise.all(
      containers.map(({ Id }: { Id: string }) => daemon().ask("GET", `/containers/${Id}/json`)),
    );
    const networks: { Id: string }[] = await daemon().ask("GET", "/networks");
    const details = await Promise.all(networks.map(({ Id }) => daemon().ask("GET", `/networks/${Id}`)));
    return { containers: JSON.stringify(views, null, 1), networks: JSON.stringify(details, null, 1) };
  }

  /** Who serves, and how many descriptors it has open. */
  async function processes(): Promise<Record<string, string>> {
    const { stdout } = await run("ps", ["-eo", "pid,args"]);
    const isOurs = (line: string) =>
      line.includes(daemon().folder) && !/tsdockerd\.mjs --data-root|traffic\.mjs|lab-agent/.test(line);
    const ours = stdout.split("\n").filter(isOurs);
    const proxy =
      ours
        .find((line) => line.includes("proxy.sock"))
        ?.trim()
        .split(" ")[0] ?? "";
    const descriptors = await readdir(`/proc/${proxy}/fd`);
    return { processes: ours.sort().join("\n"), descriptors: String(descriptors.length) };
  }

  /** Raised by each transaction in a container, anyone's. */
  async function nftablesGeneration(): Promise<number[]> {
    return await Promise.all(
      [...inside.values()].map(async ({ netns }) => {
        await using nftables = await openNftables(netns);
        return await nftables.generation();
      }),
    );
  }
}

const commands: Readonly<Record<string, readonly string[]>> = {
  nft: ["nft", "list", "ruleset"],
  iptables: ["iptables-save"],
  ip6tables: ["ip6tables-save"],
  links: ["ip", "-d", "-o", "link"],
  addresses: ["ip", "-o", "addr"],
  routes: ["ip", "route", "show", "table", "all"],
  routes6: ["ip", "-6", "route", "show", "table", "all"],
  rules: ["ip", "rule"],
  sysctls: ["sysctl", "-a", "-r", "^net\\."],
};

async function netnsState({ netns }: LabHost): Promise<Record<string, string>> {
  const texts = await Promise.all(
    Object.entries(commands).map(async ([what, command]) => {
      const { stdout } = await run("nsenter", [`--net=${netns}`, ...command]);
      return [what, what === "nft" ? byTable(steady(stdout)) : steady(stdout)] as const;
    }),
  );
  return Object.fromEntries(texts);
}

async function hasSettledAddresses({ name, netns }: LabHost): Promise<void> {
  const tentative = ["ip", "-6", "-o", "addr", "show", "tentative"];
  await until(`${name}'s addresses are its own`, async () => {
    return (await run("nsenter", [`--net=${netns}`, ...tentative])).stdout === "";
  });
}

/** Tables in one order: nft lists them as they came, and what holds isolation during a repair comes with each daemon. */
function byTable(ruleset: string): string {
  return ruleset
    .split(/^(?=table )/m)
    .toSorted()
    .join("");
}

/** Without counters, timers, comments, and settings that change by themselves. */
function steady(text: string): string {
  return (
    text
      .replace(/counter packets \d+ bytes \d+/g, "counter")
      .replace(/\[\d+:\d+\]/g, "")
      .replace(/(\w+_timer|expires|hoplimit)\s+[\d.]+(sec)?/g, "")
      .replace(/ tentative/g, "")
      // who holds a table is told beside what is in it
      .replace(/ # progname .*|^\tflags( owner)? *$/gm, "")
      .split("\n")
      .filter((line) => !/^#|nf_conntrack_count|random|min_adv|stable_secret|fastopen_key/.test(line))
      .join("\n")
  );
}

/** What holds isolation while a daemon repairs iptables' rules after somebody's flush goes with the daemon. */
function withoutFence(text: string): string {
  return text.replace(/^table inet tsdocker-fence \{[\s\S]*?^\}\n/m, "");
}

/** Lines that are in one and not in the other, by key; all of them where only their order differs. */
function difference(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  without = (text: string) => text,
): Record<string, { less: string[]; more: string[] }> {
  const keys = Object.keys(after).filter((key) => without(before[key] ?? "") !== without(after[key] ?? ""));
  const lines = (text: string | undefined) => without(text ?? "").split("\n");
  return Object.fromEntries(
    keys.map((key) => {
      const [old, now] = [lines(before[key]), lines(after[key])];
      const less = old.filter((line) => !now.includes(line));
      const more = now.filter((line) => !old.includes(line));
      return [key, less.length + more.length > 0 ? { less, more } : { less: old, more: now }];
    }),
  );
}
