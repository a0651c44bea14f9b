// The way out of a network of the cluster, as the docker CLI and machines outside the cluster see it.

import { afterEach, beforeAll, expect, test } from "vitest";
import type { LabHost, Listener } from "../lab/lab.ts";
import "../lab/matchers.ts";
import type { Daemon } from "./daemon.ts";
import { tidy, untilNodes, useHosts } from "./hosts.ts";
import { until } from "./run.ts";

const site = useHosts(3);
let daemons: readonly Daemon[] = [];
const host = (number: number): Daemon => {
  const daemon = daemons[number - 1];
  if (!daemon) throw new Error(`there is no daemon on host${number}`);
  return daemon;
};
/** A machine of the LAN that is no host of the cluster. */
const outside = (): LabHost => site().host(3);

beforeAll(async () => {
  const options = { images: ["busybox"], flags: ["--live-restore"] } as const;
  daemons = await Promise.all([1, 2].map((number) => site().keep(number, options)));
  expect(await host(1).tsdocker("cluster", "init")).toMatchObject({ code: 0 });
  const token = (await host(1).tsdocker("cluster", "token", "-q")).stdout.trim();
  expect(await host(2).tsdocker("cluster", "join", "--token", token, "192.0.2.1")).toMatchObject({ code: 0 });
  for (const daemon of daemons) await untilNodes(daemon, "host1 member up, host2 node up");
  await host(1).ok("network", "create", "-d", "overlay", "--attachable", "--ipv6", "blue");
  await host(1).ok("network", "create", "-d", "overlay", "red");
  await host(1).ok("network", "create", "-d", "overlay", "--internal", "shut");
  const names = () => host(2).ok("network", "ls", "--format", "{{.Name}}");
  await until("the networks are on host2", async () => /blue.*red.*shut/s.test(await names()));
});

afterEach(() => tidy(daemons, ["blue", "red", "shut"]));

/** A container that ends with the test, and a process in its netns. */
async function serve(daemon: Daemon, name: string, ...flags: string[]): Promise<Served> {
  await daemon.ok("run", "-d", "--name", name, "--stop-timeout", "0", ...flags, "busybox", "sleep", "1d");
  const inside = await daemon.inside(name);
  return {
    inside,
    async [Symbol.asyncDispose]() {
      await inside.close();
      await daemon.ok("rm", "-f", name);
    },
  };
}

interface Served extends AsyncDisposable {
  readonly inside: LabHost;
}

const addresses = async (daemon: Daemon, name: string, link: string): Promise<string[]> => {
  const text = await daemon.ok("exec", name, "ip", "-o", "addr", "show", "dev", link);
  return [...text.matchAll(/inet6? (\S+)\/\d+ .*scope global/g)].map(([, address = ""]) => address);
};

async function answerAt(machine: LabHost, port: number, reply: string): Promise<AsyncDisposable> {
  const listeners: Listener[] = [];
  for (const any of ["0.0.0.0", "::"]) listeners.push(await machine.listen(any, port, { reply }));
  return { [Symbol.asyncDispose]: async () => void (await Promise.all(listeners.map((it) => it.close()))) };
}

test("a container on an overlay reaches others by it, and all else by its host", async () => {
  await using _server = await answerAt(outside(), 7000, "outside");
  await using c1 = await serve(host(1), "c1", "--network", "blue");
  await using c2 = await serve(host(2), "c2", "--network", "blue");
  await using _peer = await answerAt(c2.inside, 7001, "c2");
  // as the host's own packets, of both families
  await expect(c1.inside).toReach("192.0.2.3:7000", { answer: "outside 192.0.2.1" });
  await expect(c1.inside).toReach("[2001:db8::3]:7000", { answer: "outside 2001:db8::1" });
  const [own = ""] = await addresses(host(1), "c1", "eth0");
  const [peer] = await addresses(host(2), "c2", "eth0");
  await expect(c1.inside).toReach(`${peer}:7001`, { answer: `c2 ${own}` });
  const routes = await host(1).ok("exec", "c1", "ip", "route");
  expect(routes).toMatch(/^default via \S+ dev eth1 *$/m);
  expect(await host(1).ok("exec", "c1", "cat", "/etc/hosts")).not.toContain(
    (await addresses(host(1), "c1", "eth1"))[0],
  );
  expect(
    await host(1).ok("inspect", "-f", "{{range $n, $_ := .NetworkSettings.Networks}}{{$n}} {{end}}", "c1"),
  ).toBe("blue");
  const id = await host(1).ok("inspect", "-f", "{{.NetworkSettings.SandboxID}}", "c1");
  const members = await host(1).ok(
    "network",
    "inspect",
    "-f",
    "{{range .Containers}}{{.Name}} {{end}}",
    "docker_gwbridge",
  );
  expect(members).toBe(`gateway_${id.slice(0, 12)}`);
  expect((await host(1).docker("network", "rm", "docker_gwbridge")).stderr).toContain("active endpoints");
});

test("its ports are open outside and on the host, follow it to a bridge and back, and change as it runs", async () => {
  await using c1 = await serve(host(1), "c1", "--network", "blue", "-p", "8080:80");
  await using _server = await answerAt(c1.inside, 80, "c1");
  const open = async (port: number) => {
    for (const target of [`192.0.2.1:${port}`, `[2001:db8::1]:${port}`])
      await expect(outside()).toReach(target, { answer: "c1" });
    for (const target of [`127.0.0.1:${port}`, `192.0.2.1:${port}`])
      await expect(site().host(1)).toReach(target, { answer: "c1" });
  };
  await open(8080);
  // who comes from outside is seen as he is
  await expect(outside()).toReach("192.0.2.1:8080", { answer: "c1 192.0.2.3" });
  expect(await host(1).ok("port", "c1")).toBe("80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
  await host(1).ok("network", "create", "local");
  await host(1).ok("network", "connect", "local", "c1");
  expect(await host(1).ok("exec", "c1", "ip", "route")).toMatch(/^default via \S+ dev eth2 *$/m);
  await expect(outside()).toReach("192.0.2.1:8080", { answer: "c1 192.0.2.3" });
  await host(1).ok("network", "disconnect", "local", "c1");
  await host(1).ok("network", "rm", "local");
  await open(8080);
  expect(await host(1).tsdocker("port", "add", "c1", "8081:80")).toMatchObject({ code: 0 });
  await open(8081);
});

test("an internal overlay leads nowhere, and two overlays not to each other", async () => {
  await using _server = await answerAt(outside(), 7000, "outside");
  await using shut = await serve(host(1), "shut", "--network", "shut", "-p", "8082:80");
  await using blue = await serve(host(1), "blue", "--network", "blue");
  await using red = await serve(host(1), "red", "--network", "red");
  await using _red = await answerAt(red.inside, 80, "red");
  await using _shut = await answerAt(shut.inside, 80, "shut");
  await expect(shut.inside).not.toReach("192.0.2.3:7000");
  await expect(outside()).not.toReach("192.0.2.1:8082");
  expect(await host(1).ok("exec", "shut", "ip", "-o", "link")).not.toContain("eth1");
  for (const link of ["eth0", "eth1"]) {
    const [address] = await addresses(host(1), "red", link);
    await expect(blue.inside).not.toReach(`${address}:80`);
  }
});

test("the daemon's end and a crash change nothing, and nothing is left when the container goes", async () => {
  await using local = new AsyncDisposableStack();
  const c1 = local.use(await serve(host(2), "c1", "--network", "blue", "-p", "8080:80"));
  await using _remote = await serve(host(1), "c2", "--network", "blue");
  await using _server = await answerAt(outside(), 7000, "outside");
  local.use(await answerAt(c1.inside, 80, "c1"));
  const before = await addresses(host(2), "c1", "eth1");
  const isServed = async () => {
    await expect(c1.inside).toReach("192.0.2.3:7000", { answer: "outside 192.0.2.2" });
    await expect(outside()).toReach("192.0.2.2:8080", { answer: "c1" });
  };
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await host(2).signal(signal);
    await isServed();
    await host(2).start();
    await isServed();
    expect(await addresses(host(2), "c1", "eth1")).toEqual(before);
  }
  expect(await host(2).ok("port", "c1")).toContain("80/tcp -> 0.0.0.0:8080");
  await local.disposeAsync();
  await expect(outside()).not.toReach("192.0.2.2:8080");
  const members = () => host(2).ok("network", "inspect", "-f", "{{len .Containers}}", "docker_gwbridge");
  expect(await members()).toBe("0");
  await host(2).ok("network", "rm", "docker_gwbridge");
  const links = async () => await site().host(2).run("ip", "-o", "link");
  await until("the bridge is gone", async () => !(await links()).includes("docker_gwbridge"));
});
