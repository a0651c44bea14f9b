// Compose files with an overlay network, by the docker-compose that Debian ships, on two hosts of a cluster.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import "../../lab/matchers.ts";
import type { Daemon } from "../../e2e/daemon.ts";
import { Hosts, untilNodes } from "../../e2e/hosts.ts";
import { run, until } from "../../e2e/run.ts";

function hasCompose(): boolean {
  try {
    execFileSync("docker-compose", ["version"], { stdio: "ignore" });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

async function compose(daemon: Daemon, file: string, ...words: readonly string[]): Promise<string> {
  const argv = ["-p", "shop", "-f", join(import.meta.dirname, file), ...words];
  const { code, stdout, stderr } = await run("docker-compose", argv, {
    env: { ...daemon.clientEnv },
  });
  if (code !== 0) throw new Error(`docker-compose ${words.join(" ")}: ${code}: ${stderr}${stdout}`);
  return stdout.trim();
}

if (hasCompose()) {
  test("a compose file with an overlay network works unmodified, and another host's too", async () => {
    await using hosts = await Hosts.create(2);
    const [one, two] = await Promise.all([
      hosts.keep(1, { images: ["busybox", "nginx"] }),
      hosts.keep(2, { images: ["busybox"] }),
    ]);
    expect(await one.tsdocker("cluster", "init")).toMatchObject({ code: 0 });
    const token = (await one.tsdocker("cluster", "token", "-q")).stdout.trim();
    expect(await two.tsdocker("cluster", "join", "--token", token, "192.0.2.1")).toMatchObject({ code: 0 });
    await untilNodes(two, "host1 member up, host2 node up");
    await compose(one, "shop.yaml", "up", "-d");
    await until("the network is on both hosts", async () => (await two.ok("network", "ls")).includes("shop"));
    await compose(two, "customer.yaml", "up", "-d");
    for (const name of ["web", "store"])
      for (const [daemon, file, service] of [
        [one, "shop.yaml", "beside"],
        [two, "customer.yaml", "customer"],
      ] as const) {
        const fetch = ["exec", "-T", service, "wget", "-qO-", `http://${name}`];
        // the server takes its time to begin, and other hosts to hear of it
        await expect.poll(() => compose(daemon, file, ...fetch).catch(String)).toContain("nginx");
      }
    await expect(hosts.host(2)).toReach("192.0.2.1:8088");
    const inspected = JSON.parse(await two.ok("network", "inspect", "shop"))[0];
    expect(inspected).toMatchObject({
      Driver: "overlay",
      Attachable: true,
      IPAM: { Config: [{ Subnet: "10.77.0.0/24" }] },
    });
    await compose(two, "customer.yaml", "down");
    await compose(one, "shop.yaml", "down");
    await until("it is gone from both", async () => !(await two.ok("network", "ls")).includes("shop"));
    await one.ok("network", "rm", "docker_gwbridge");
    await two.ok("network", "rm", "docker_gwbridge");
  });
} else {
  test.skip("compose files with an overlay network: no docker-compose, or not root", () => undefined);
}
