// CNI networks by the docker CLI, made by the plugins of Debian's package: a container's life on one, over a restart of the
// daemon that it lives through.

import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import "../lab/matchers.ts";
import { lacksPlugins } from "../lab/drivers/cni-world.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const folder = mkdtempSync(join(tmpdir(), "tsc-"));
const conf = join(folder, "10-mynet.conflist");
const site = useSite({ flags: ["--live-restore"] });
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const { greeter } = containersOn(daemon);

/** Chains that portmap made for good, as it does for whoever runs it: a second try begins without them. */
async function forgetChains(): Promise<void> {
  const { host } = site();
  await host.run("iptables", "-t", "nat", "-F");
  await host.run("iptables", "-t", "nat", "-X");
}

afterEach(() => daemon().removeAll());
afterAll(() => rm(folder, { recursive: true }));

test.skipIf(lacksPlugins)(
  "a container on a CNI network is found, published, outlives its daemon and leaves nothing",
  async () => {
    const ipam = {
      type: "host-local",
      // one that gives its first address first, also at a second try
      dataDir: mkdtempSync(join(folder, "leases-")),
      subnet: "10.88.0.0/24",
      routes: [{ dst: "0.0.0.0/0" }],
    };
    const portmap = { type: "portmap", capabilities: { portMappings: true } };
    const plugins = [{ type: "ptp", ipMasq: true, ipam }, portmap];
    await writeFile(conf, JSON.stringify({ cniVersion: "1.0.0", name: "mynet", plugins }));
    await forgetChains();
    const before = await daemon().snapshot();
    await ok("network", "create", "-d", "cni", "-o", `tsdocker.cni.conf=${conf}`, "mynet");
    expect(await ok("network", "inspect", "-f", "{{.Driver}} {{.IPAM.Driver}}", "mynet")).toBe("cni null");
    await greeter("web", "--network", "mynet", "-p", "8080:80");
    const address = await ok("inspect", "-f", "{{.NetworkSettings.Networks.mynet.IPAddress}}", "web");
    expect(address).toBe("10.88.0.2");
    const inside = (...command: readonly string[]) =>
      daemon().docker("run", "--rm", "--network", "mynet", "busybox", ...command);
    await until("web answers", async () => (await inside("nc", "web", "80")).stdout === "web\n");
    expect((await inside("ping", "-c1", "web")).stdout).toContain(`(${address})`);
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "web" });
    expect(await ok("port", "web")).toContain("80/tcp -> 0.0.0.0:8080");
    await daemon().stop();
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "web" });
    await daemon().start();
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "web" });
    expect(await ok("inspect", "-f", "{{.NetworkSettings.Networks.mynet.IPAddress}}", "web")).toBe(address);
    await ok("rm", "-f", "web");
    await ok("network", "rm", "mynet");
    expect(await site().host.run("iptables-save")).not.toMatch(/mynet|10\.88\./);
    await forgetChains();
    await daemon().expectBackTo(before);
  },
);

test.skipIf(lacksPlugins)("a CNI network that cannot be is refused by what is missing", async () => {
  const { stderr } = await daemon().docker(
    "network",
    "create",
    "-d",
    "cni",
    "-o",
    "tsdocker.cni.type=foo",
    "n1",
  );
  expect(stderr).toMatch(/CNI plugin foo not found in \S+; there are: .*bridge/);
  const subnet = await daemon().docker("network", "create", "-d", "cni", "--subnet", "10.1.0.0/24", "n1");
  expect(subnet.stderr).toContain('networks of driver "cni" find their addresses by themselves');
});
