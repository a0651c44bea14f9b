// The examples, as their READMEs start them; of drivers two in the daemon and one behind a socket.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { containersOn } from "./containers.ts";
import { run, until } from "./run.ts";
import { useSite } from "./site.ts";

const examples = join(import.meta.dirname, "..", "..", "examples");
const folder = mkdtempSync(join(tmpdir(), "tsx-"));
const flags = ["smallest-driver", "point-to-point"].flatMap((name) => [
  "--driver",
  `${name.replace("-driver", "")}=${join(examples, name)}`,
]);
const site = useSite({
  flags: [...flags, "--plugin-sockets", folder],
  config: JSON.parse(readFileSync(join(examples, "daemon.json"), "utf8")),
  images: ["busybox", "nginx"],
});
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const { greeter, idle } = containersOn(daemon);
/** Waits for an answer: a greeter does not listen at once, nor for a moment after each answer. */
const ask = (from: string, host: string) =>
  until(`${host} answers ${from}`, async () => {
    const { stdout } = await daemon().docker("exec", from, "sh", "-c", `nc ${host} 80 </dev/null`);
    return stdout.trim() || undefined;
  });

afterEach(() => daemon().removeAll());
afterAll(() => rm(folder, { recursive: true }));

test("daemon.json: networks keep out of the LAN's addresses", async () => {
  const subnetOf = (name: string) =>
    ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name);
  expect(await subnetOf("bridge")).toBe("10.200.0.0/24");
  await ok("network", "create", "n1");
  expect(await subnetOf("n1")).toBe("10.201.0.0/24");
});

test("two-networks: the script tells who finds whom, and takes all of it away", async () => {
  const script = join(examples, "two-networks", "run.sh");
  const { code, stdout, stderr } = await run(script, [], { env: daemon().clientEnv });
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/10\.201\.\S+ +database\n/);
  expect(stdout).toContain("web answers");
  expect(stdout).not.toContain("default via");
  expect(stdout).toContain("80/tcp -> 0.0.0.0:8088");
  expect(await ok("ps", "-aq")).toBe("");
});

test("smallest: containers of a network reach each other by name, also after one left and came back", async () => {
  await ok(
    "network",
    "create",
    "-d",
    "smallest",
    "--subnet",
    "10.9.0.0/24",
    "--ipv6",
    "--subnet",
    "fd00:9::/64",
    "s1",
  );
  await greeter("web", "--network", "s1");
  await idle("c1", "--network", "s1");
  expect(await ask("c1", "web")).toBe("web");
  expect(await ok("exec", "c1", "ip", "-6", "-o", "addr", "show", "eth0")).toContain("fd00:9::");
  await ok("network", "disconnect", "s1", "c1");
  await ok("network", "connect", "s1", "c1");
  expect(await ask("c1", "web")).toBe("web");
});

test("point-to-point: containers have single addresses, and the host leads from one to the other", async () => {
  const own = ["-d", "point-to-point", "--ipam-driver", "point-to-point"];
  await ok(
    "network",
    "create",
    ...own,
    "--subnet",
    "10.9.1.0/30",
    "--ipv6",
    "--subnet",
    "fd00:91::/126",
    "p1",
  );
  await greeter("web", "--network", "p1");
  await idle("c1", "--network", "p1");
  const addresses = await ok("exec", "c1", "ip", "-o", "addr", "show", "eth0");
  expect(addresses).toMatch(/10\.9\.1\.1\/32.*\n.*fd00:91::1\/128/);
  expect(await ok("exec", "c1", "ip", "route")).toContain("default via 169.254.1.1 dev eth0");
  expect(await ask("c1", "web")).toBe("web");
  expect(await ask("c1", "10.9.1.0")).toBe("web");
  expect(await ask("c1", "fd00:91::")).toBe("web");
  await expect(site().host).toReach("10.9.1.0:80", { answer: "web" });
  // all of the subnet can be had: there is no network address in it
  await idle("c2", "--network", "p1");
  await idle("c3", "--network", "p1");
  const full = await daemon().docker("run", "--rm", "--network", "p1", "busybox", "true");
  expect(full.stderr).toContain("no available");
});

describe("lan, behind a socket", () => {
  let plugin: ChildProcess | undefined;
  const socket = join(folder, "lan.sock");

  const serve = async () => {
    await end();
    const words = [join(examples, "lan-driver", "serve.ts"), socket, join(folder, "state")];
    const child = site().host.spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    plugin = child;
    let said = "";
    child.stdout?.on("data", (text) => {
      said += text;
    });
    await until("the plugin listens", () => said.includes("lan is on"));
  };
  const end = async () => {
    const child = plugin;
    plugin = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  afterAll(end);

  test("containers are machines on the LAN, with addresses of the part that is ours, also after both restarted", async () => {
    await serve();
    const subnet = ["--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.192/27", "--gateway", "192.0.2.2"];
    await ok("network", "create", "-d", "lan", "--ipam-driver", "lan", "-o", "parent=eth0", ...subnet, "l1");
    await greeter("web", "--network", "l1");
    await idle("c1", "--network", "l1", "--stop-timeout", "0");
    expect(await ok("exec", "c1", "ip", "-o", "addr", "show", "eth0")).toContain("192.0.2.193/24");
    expect(await ok("exec", "c1", "ip", "route")).toContain("default via 192.0.2.2 dev eth0");
    expect(await ask("c1", "web")).toBe("web");
    await expect(site().peer).toReach("192.0.2.192:80", { answer: "web" });
    await end();
    await serve();
    await ok("restart", "c1");
    expect(await ask("c1", "web")).toBe("web");
    await ok("rm", "-f", "web", "c1");
    await ok("network", "rm", "l1");
  });
});
