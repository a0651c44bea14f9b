// What containers and strangers tried with other engines, tried on a whole daemon. docs/security.md lists these and the
// ones that need no daemon.

import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { advertiseRouter } from "../lab/drivers/ipv6-wire.ts";
import type { LabHost } from "../lab/lab.ts";
import { containersOn } from "./containers.ts";
import { type Answer, request } from "./http.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const { idle } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const sh = (container: string, script: string) => ok("exec", container, "sh", "-c", script);

afterEach(() => daemon().removeAll());

/** Runs `work` with a process inside a container's netns. */
async function within<T>(container: string, work: (host: LabHost) => Promise<T>): Promise<T> {
  const host = await daemon().inside(container);
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

test("abstract sockets: a container in the host's netns finds none (CVE-2020-15257)", async () => {
  await ok("network", "create", "n1");
  await idle("busy", "--network", "n1", "-p", "8080:80");
  const sockets = (await ok("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix")).split(
    "\n",
  );
  // it does see those with a path, which it cannot connect to from its own file system
  expect(sockets.filter((line) => line.includes(daemon().folder)).length).toBeGreaterThan(0);
  expect(sockets.filter((line) => /\s@\S*$/.test(line))).toEqual([]);
});

describe("router advertisements from a container (CVE-2020-13401)", () => {
  const prefix = "2001:db8:bad:";
  /** Routers speak from their link-local address, which takes the kernel a second to be sure of. */
  const advertise = async () => {
    const isReady = async () => {
      const shown = await sh("cc", "ip -6 addr show dev eth0");
      return shown.includes("fe80:") && !shown.includes("tentative");
    };
    await until("the link-local address can be used", isReady);
    await within("cc", (inside) => advertiseRouter(inside));
  };

  test("do not reach the host, even where all its new links listen to routers", async () => {
    const { host } = site();
    const setting = "net.ipv6.conf.default.accept_ra";
    const before = (await host.run("sysctl", "-n", setting)).trim();
    await host.run("sysctl", "-qw", `${setting}=2`);
    try {
      const options = ["tsdocker.antispoof=off", "com.docker.network.bridge.name=br-n1"];
      const flags = options.flatMap((option) => ["-o", option]);
      await ok("network", "create", "--ipv6", ...flags, "--subnet", "2001:db8:1::/64", "n1");
      await idle("cc", "--network", "n1");
      await advertise();
      // the answer comes behind what was sent before
      await sh("cc", "ping6 -c 1 -W 10 2001:db8:1::1");
      const shown = () => host.run("sh", "-c", "ip -6 addr; ip -6 route show table all");
      const said = await shown();
      expect(said).toContain("2001:db8:1::1");
      expect(said).not.toContain(prefix);
      expect(said).not.toMatch(/default.* proto ra/);
      // it is not that they did not arrive
      await host.run("sysctl", "-qw", "net.ipv6.conf.br-n1.accept_ra=2");
      await until("a bridge that listens has the address", async () => {
        await advertise();
        return (await shown()).includes(prefix);
      });
    } finally {
      await host.run("sysctl", "-qw", `${setting}=${before}`);
    }
  });

  test("do not reach its neighbours", async () => {
    await ok("network", "create", "--ipv6", "--subnet", "2001:db8:1::/64", "n1");
    await idle("cc", "--network", "n1", "--ip6", "2001:db8:1::c");
    await idle(
      "victim",
      "--network",
      "n1",
      "--ip6",
      "2001:db8:1::d",
      "--sysctl",
      "net.ipv6.conf.all.forwarding=0",
    );
    const before = await sh("victim", "ip -6 route");
    await advertise();
    await sh("cc", "ping6 -c 1 -W 10 2001:db8:1::d");
    expect(await sh("victim", "ip -6 addr")).not.toContain(prefix);
    expect(await sh("victim", "ip -6 route")).toBe(before);
  });
});

test("host services reached through the gateway address: tsdocker.host_access closes them", async () => {
  const { host, peer } = site();
  await using _4 = await host.listen("0.0.0.0", 7070);
  await using _6 = await host.listen("::", 7071);
  await using _out = await peer.listen("0.0.0.0", 7072);
  await idle("web", "-p", "8080:7073");
  await using stack = new AsyncDisposableStack();
  const web = await daemon().inside("web");
  stack.defer(() => web.close());
  stack.use(await web.listen("0.0.0.0", 7073, { reply: "web" }));
  const expected = {
    all: { services: true, ports: true },
    ports: { services: false, ports: true },
    none: { services: false, ports: false },
  } as const;
  for (const [access, { services, ports }] of Object.entries(expected)) {
    const subnets = ["--subnet", "198.51.100.0/24", "--subnet", "2001:db8:1::/64"];
    await ok("network", "create", "--ipv6", "-o", `tsdocker.host_access=${access}`, ...subnets, "n1");
    await idle("cc", "--network", "n1");
    await within("cc", async (inside) => {
      for (const target of [
        "198.51.100.1:7070",
        "192.0.2.1:7070",
        "[2001:db8:1::1]:7071",
        "[2001:db8::1]:7071",
      ]) {
        if (services) await expect(inside, access).toReach(target);
        else await expect(inside, access).not.toReach(target);
      }
      if (ports) await expect(inside, access).toReach("192.0.2.1:8080", { answer: "web" });
      else await expect(inside, access).not.toReach("192.0.2.1:8080");
      await expect(inside, access).toReach("192.0.2.2:7072");
    });
    await ok("rm", "-f", "cc");
    await ok("network", "rm", "n1");
  }
});

test("a port cannot be published on an address that is another machine's (CVE-2020-8554)", async () => {
  for (const address of ["192.0.2.2", "203.0.113.9", "[2001:db8::2]"]) {
    const { code, stderr } = await daemon().docker(
      "run",
      "--rm",
      "-p",
      `${address}:8080:80`,
      "busybox",
      "true",
    );
    expect([address, code]).toEqual([address, 125]);
    expect(stderr).toContain("cannot assign requested address");
  }
});

describe("clients that harm the API", () => {
  const open = (text: string) =>
    new Promise<Socket>((resolve, reject) => {
      const socket = connect(daemon().socket, () => {
        socket.write(text);
        resolve(socket);
      });
      socket.on("error", reject);
    });
  const ping = async () => (await daemon().api("GET", "/_ping")).status;

  test("by requests that never end keep nobody out", async () => {
    const beginnings = [
      "",
      "GET /_ping HTTP/1.1\r\nHost: d\r\n",
      "POST /networks/create HTTP/1.1\r\nHost: d\r\n",
    ];
    const whole =
      "POST /networks/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    const sockets: Socket[] = [];
    try {
      for (let count = 0; count < 400; count++) {
        sockets.push(await open([...beginnings, whole][count % 4] ?? ""));
        sockets.at(-1)?.on("error", () => undefined);
      }
      expect(await ping()).toBe(200);
      expect(await ok("network", "create", "n1")).toMatch(/^[0-9a-f]{64}$/);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  test("by headers and bodies without end, or nonsense, are refused", async () => {
    const { socket } = daemon();
    // the answer may come, and the connection end, before all is sent
    const refusal = (sent: Promise<Answer>) =>
      sent.then(
        ({ status }) => String(status),
        (error: NodeJS.ErrnoException) => error.code ?? "",
      );
    const long = "x".repeat(17 << 20);
    const headers = request(socket, "GET", "/_ping", undefined, { "X-Long": long.slice(0, 100_000) });
    expect(await refusal(headers)).toMatch(/^(431|EPIPE|ECONNRESET)$/);
    const body = request(socket, "POST", "/networks/create", `{"Name":"${long}"}`);
    expect(await refusal(body)).toMatch(/^(400|EPIPE|ECONNRESET)$/);
    expect(await ok("network", "ls", "-q", "--filter", "type=custom")).toBe("");
    for (const nonsense of [
      "\0\0\0\0\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]) {
      const bad = await open(nonsense);
      const answer = await new Promise<string>((resolve) => {
        let text = "";
        bad.on("data", (chunk) => {
          text += chunk;
        });
        bad.on("close", () => resolve(text));
      });
      expect(answer).toMatch(/^(HTTP\/1\.1 400 |$)/);
    }
    expect(await ping()).toBe(200);
  });
});
