// docker-net-dhcp of J. O'Brien, unmodified: its two programs in the folder `docker-net-dhcp` below TSDOCKER_PLUGINS.
// Addresses come from a DHCP server on a bridge; it asks the daemon for the network and the container inside its calls,
// in an API version that nobody serves any more, and has no handshake, being made to be managed.

import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { addAddress, createBridge, deleteLink, unless } from "../../../src/kernel/index.ts";
import { containersOn } from "../../e2e/containers.ts";
import { useSite } from "../../e2e/site.ts";
import { prefix } from "../../unit/kernel/values.ts";
import { type OlderApi, serveOlderApi } from "./older-api.ts";
import { hasPlugin, type OthersPlugin, startPlugin } from "./others.ts";

const dhcp = (folder: string) => `
start 10.66.0.10
end 10.66.0.60
interface br-dhcp
lease_file ${join(folder, "leases")}
pidfile ${join(folder, "udhcpd.pid")}
opt subnet 255.255.255.0
opt router 10.66.0.1
opt lease 3600
`;

/** Its client for DHCP is busybox's, and its handler is looked for in /usr/lib. */
const command = [
  'mkdir -p /run/bin /run/lib/net-dhcp && ln -s "$(command -v busybox)" /run/bin/udhcpc',
  "cp udhcpc-handler /run/lib/net-dhcp/",
  "mount -t overlay -o lowerdir=/run/lib:/usr/lib none /usr/lib",
  'ln -s "$1/docker.sock" /run/docker.sock',
  'PATH="/run/bin:$PATH" exec ./net-dhcp ',
].join(" && ");

if (hasPlugin("docker-net-dhcp")) {
  const sockets = mkdtempSync(join(tmpdir(), "tsp-"));
  const site = useSite({ flags: ["--plugin-sockets", sockets] });
  const daemon = () => site().daemon;
  const ok = (...args: readonly string[]) => daemon().ok(...args);
  const { greeter, idle } = containersOn(daemon);
  let server: ReturnType<ReturnType<typeof site>["host"]["spawn"]>;
  let older: OlderApi;
  let plugin: OthersPlugin;

  beforeAll(async () => {
    const { host } = site();
    await host.netlink.send(createBridge({ name: "br-dhcp", up: true }));
    const bridge = await host.netlink.link("br-dhcp");
    if (bridge) await host.netlink.send(addAddress({ link: bridge.index, prefix: prefix("10.66.0.1/24") }));
    await writeFile(join(sockets, "udhcpd.conf"), dhcp(sockets));
    await writeFile(join(sockets, "leases"), "");
    server = host.spawn("busybox", ["udhcpd", "-f", join(sockets, "udhcpd.conf")], { stdio: "ignore" });
    older = await serveOlderApi(join(sockets, "docker.sock"), daemon().socket);
    plugin = await startPlugin("docker-net-dhcp", command, { host, sockets, socket: "net-dhcp" });
  });

  afterEach(() => daemon().removeAll());

  afterAll(async () => {
    await plugin[Symbol.asyncDispose]();
    await older[Symbol.asyncDispose]();
    server.kill("SIGKILL");
    const { netlink } = site().host;
    await unless(["ENODEV"], netlink.send(deleteLink("br-dhcp")));
    await rm(sockets, { recursive: true });
  });

  const addressOf = (name: string) =>
    ok("inspect", "-f", "{{.NetworkSettings.Networks.lan.IPAddress}}", name);

  test("docker-net-dhcp gives containers addresses of the LAN, by which and by name they find each other", async () => {
    await ok("network", "create", "-d", "net-dhcp", "--ipam-driver", "null", "-o", "bridge=br-dhcp", "lan");
    await greeter("web", "--network", "lan");
    await idle("c1");
    await ok("network", "connect", "lan", "c1");
    expect(await addressOf("web")).toMatch(/^10\.66\.0\.\d+$/);
    // between two answers, and before the first, nobody listens
    await expect.poll(() => ok("exec", "c1", "nc", "web", "80")).toBe("web");
    expect(await ok("exec", "web", "ip", "route")).toContain("default via 10.66.0.1 dev br-dhcp0");
    await ok("restart", "-t", "0", "web");
    await expect.poll(async () => ok("exec", "c1", "nc", await addressOf("web"), "80")).toBe("web");
    await ok("rm", "-f", "web", "c1");
    await ok("network", "rm", "lan");
    const links = async () => (await site().host.netlink.links()).map(({ name }) => name);
    await expect.poll(async () => (await links()).filter((name) => /dh/.test(name))).toEqual(["br-dhcp"]);
  });
} else {
  test.skip("docker-net-dhcp: it is not below TSDOCKER_PLUGINS, or this is not root", () => undefined);
}
