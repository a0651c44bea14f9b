// Compose files with an overlay network, by the docker-compose that Debian ships, on two hosts of a cluster.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import "../../lab/matchers.ts";
import type { Daemon } from "../../e2e/daemon.ts";
import { untilNodes, useHosts } from "../../e2e/hosts.ts";
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
    timeoutMs: 60_000,
  });
  if (code !== 0) throw new Error(`docker-compose ${words.join(" ")}: ${code}: ${stderr}${stdout}`);
  return stdout.trim();
}

if (hasCompose()) {
  const site = useHosts(2);

  test("a compose file with an overlay network works unmodified, and another host's too", async () => {
    const [one, two] = await Promise.all([
      site().keep(1, { images: ["busybox", "nginx"] }),
      site().keep(2, { images: ["busybox"] }),
    ]);
    expect(await one.tsdocker("cluster", "init")).toMatchObject({ code: 0 });
    const token = (await one.tsdocker("cluster", "token", "-q")).stdout.trim();
    expect(await two.tsdocker("cluster", "join", "--token", token, "192.0.2.1")).toMatchObject({ code: 0 });
    await untilNodes(two, "host1 member up, host2 node up");
    await compose(one, "shop.yaml", "up", "-d");
    await until("the network is on both hosts", async () => (await two.ok("network", "ls")).includes("shop"));
    await compose(two, "customer.yaml", "up", "-d");
    const fetch = ["wget", "-qO-"];
    for (const name of ["web", "store"]) {
      expect(await compose(one, "shop.yaml", "exec", "-T", "beside", ...fetch, `http://${name}`)).toContain(
        "nginx",
      );
      expect(
        await compose(two, "customer.yaml", "exec", "-T", "customer", ...fetch, `http://${name}`),
      ).toContain("nginx");
    }
    await expect(site().host(2)).toReach("192.0.2.1:8088");
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
