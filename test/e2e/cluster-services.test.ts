// Names and services over the hosts of a cluster, by the docker CLI: what a container on one host is called is known on
// the others, and a service is one address for the endpoints of all.

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Daemon } from "./daemon.ts";
import { tidy, untilNodes, useHosts } from "./hosts.ts";
import { until } from "./run.ts";

const site = useHosts(2);
let host1: Daemon;
let host2: Daemon;

beforeAll(async () => {
  const start = (number: number) => site().keep(number, { images: ["busybox"] });
  [host1, host2] = await Promise.all([start(1), start(2)]);
  expect(await host1.tsdocker("cluster", "init", "--subnet-pool", "10.64.0.0/16,size=26")).toMatchObject({
    code: 0,
  });
  const token = (await host1.tsdocker("cluster", "token", "-q")).stdout.trim();
  expect(await host2.tsdocker("cluster", "join", "--node", "--token", token, "192.0.2.1")).toMatchObject({
    code: 0,
  });
  await untilNodes(host2, "host1 member up, host2 node up");
  await host1.ok("network", "create", "-d", "overlay", "--attachable", "blue");
  await until("blue is there", async () => (await host2.ok("network", "ls", "-qf", "name=blue")) !== "");
  await host2.ok("run", "-d", "--name", "client", "--network", "blue", "busybox", "sleep", "1d");
});

afterEach(() => tidy([host1, host2], ["client", "blue"]));

/** A server that says its name. */
const serve = (daemon: Daemon, name: string, ...flags: string[]) =>
  daemon.ok(
    ...["run", "-d", "--name", name, "--stop-timeout", "0", ...flags, "busybox"],
    ...["sh", "-c", `while :; do nc -l -p 80 -e echo ${name}; done`],
  );

/** Addresses of a name, as a container on host2 gets them. */
const resolved = async (name: string) => {
  const { stdout } = await host2.docker("exec", "client", "nslookup", "-type=a", name);
  return [...stdout.matchAll(/^Address: (\S+)$/gm)].map(([, address]) => address ?? "");
};

const sorted = async (addresses: Promise<readonly string[]>) => (await addresses).toSorted();

/** What a container on host2 reads at a name, each time at the address that comes first; empty where nothing answers. */
const read = async (name: string, times = 1) => {
  const address = `$(nslookup -type=a ${name} | sed -n "s/^Address: //p" | head -n 1)`;
  const loop = `for i in $(seq ${times}); do nc -w 2 ${address} 80 || echo; done`;
  return (await host2.docker("exec", "client", "sh", "-c", loop)).stdout.trim().split("\n");
};

/** Which of these answer at a name; resolves when all have, and no others. */
async function untilServed(name: string, wanted: readonly string[]): Promise<void> {
  let seen: string[] = [];
  const isServed = async () => {
    seen = [...new Set(await read(name, 12))].toSorted();
    return seen.join() === wanted.join();
  };
  await until(`${name} is served by ${wanted}`, isServed).catch((error) => {
    throw new Error(`${error}; by ${seen}`);
  });
}

const addressOf = (daemon: Daemon, container: string) =>
  daemon.ok("inspect", "-f", "{{.NetworkSettings.Networks.blue.IPAddress}}", container);

const remove = async (...containers: readonly (readonly [Daemon, string])[]) => {
  for (const [daemon, name] of containers) await daemon.ok("rm", "-f", name);
};

describe("a container on another host", () => {
  test("is found by its name, and its address by that name", async () => {
    await serve(host1, "web", "--network", "blue");
    await untilServed("web", ["web"]);
    const address = await addressOf(host1, "web");
    expect((await host2.docker("exec", "client", "nslookup", address)).stdout).toContain("name = web.blue");
    await host1.ok("rename", "web", "other");
    await untilServed("other", ["web"]);
    await expect.poll(() => resolved("web")).toEqual([]);
    await remove([host1, "other"]);
    await until("other is gone", async () => (await resolved("other")).length === 0);
  });

  test("shares an alias with others, and leaves it while it is ill", async () => {
    const sick = ["--health-cmd", "test -e /tmp/well", "--health-interval", "100ms", "--health-retries", "1"];
    await serve(host1, "a1", "--network", "name=blue,alias=both", ...sick);
    await serve(host2, "b1", "--network", "name=blue,alias=both");
    await untilServed("both", ["b1"]);
    const address = await addressOf(host1, "a1");
    await expect.poll(() => resolved("a1")).toEqual([address]);
    await host1.ok("exec", "a1", "touch", "/tmp/well");
    await untilServed("both", ["a1", "b1"]);
    await host1.ok("exec", "a1", "rm", "/tmp/well");
    await untilServed("both", ["b1"]);
    await remove([host1, "a1"], [host2, "b1"]);
  });
});

describe("a service", () => {
  const member = "name=blue,driver-opt=tsdocker.service=api";

  test("has one address for the endpoints of all hosts, and goes with the last of them", async () => {
    await serve(host1, "c1", "--network", member);
    await serve(host2, "c2", "--network", member);
    await untilServed("api", ["c1", "c2"]);
    const [vip, ...more] = await resolved("api");
    expect(more).toEqual([]);
    const addresses = [await addressOf(host1, "c1"), await addressOf(host2, "c2")].toSorted();
    expect(addresses).not.toContain(vip);
    expect(await sorted(resolved("tasks.api"))).toEqual(addresses);
    await remove([host1, "c1"]);
    await untilServed("api", ["c2"]);
    expect(await resolved("api")).toEqual([vip]);
    await remove([host2, "c2"]);
    await until("the service is gone", async () => (await resolved("api")).length === 0);
  });
});

test("services are a cluster's, and have names that the DNS can ask for", async () => {
  const refused = async (network: string, service: string) =>
    (
      await host1.docker(
        ...["create", "--network", `name=${network},driver-opt=tsdocker.service=${service}`],
        "busybox",
      )
    ).stderr;
  await host1.ok("network", "create", "local");
  expect(await refused("local", "web")).toContain("network local is this host's alone");
  expect(await refused("blue", "a.b")).toContain('"a.b" is not a label of the DNS');
});
