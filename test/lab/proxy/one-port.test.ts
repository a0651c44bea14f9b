// The program as docker-proxy: what an engine that starts one per port sees of it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bindSocket, closeFd } from "../../../src/kernel/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import "../matchers.ts";
import { ip } from "./world.ts";

const launcher = join(import.meta.dirname, "../../../bin/tsdocker-proxy");

/** Starts it in a host with a status pipe, and a socket as descriptor 4. */
function start(host: LabHost, protocol: string, port: number, listenFd?: number): Proxy {
  const flags = ["-proto", protocol, "-host-ip", "192.0.2.1", "-host-port", String(port)];
  flags.push("-container-ip", "192.0.2.2", "-container-port", "80");
  if (listenFd !== undefined) flags.push("-use-listen-fd");
  const stdio = ["ignore", "ignore", "ignore", "pipe", ...(listenFd === undefined ? [] : [listenFd])];
  const child = spawn("nsenter", [`--net=${host.netns}`, launcher, ...flags], { stdio: stdio as never });
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  return { child, status: statusOf(child), [Symbol.asyncDispose]: end };
}

interface Proxy extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly status: Promise<string>;
}

async function statusOf(child: ChildProcess): Promise<string> {
  const pipe = child.stdio[3];
  if (!pipe || !("setEncoding" in pipe)) throw new Error("no pipe");
  let text = "";
  pipe.setEncoding("utf8").on("data", (part) => {
    text += part;
  });
  await once(pipe, "close");
  return text;
}

async function hosts(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24");
  const [host, container, client] = [
    await lan.host("host"),
    await lan.host("container"),
    await lan.host("client"),
  ];
  return { host, container, client };
}

test.each(["tcp", "udp"] as const)(
  "a %s port that it binds itself is served when it says 0",
  async (protocol) => {
    await using lab = await Lab.create();
    const { host, container, client } = await hosts(lab);
    await using _server = await container.listen("0.0.0.0", 80, { protocol });
    await using proxy = start(host, protocol, 8080);
    expect(await proxy.status).toBe("0\n");
    await expect(client).toReach("192.0.2.1:8080", { protocol, answer: "container 192.0.2.1" });
  },
);

test("a socket that the parent bound and listens on is taken over", async () => {
  await using lab = await Lab.create();
  const { host, container, client } = await hosts(lab);
  await using _server = await container.listen("0.0.0.0", 80);
  const spec = { netns: host.netns, protocol: "tcp", address: ip("192.0.2.1"), port: 8080 } as const;
  const fd = await bindSocket({ ...spec, listen: 16, blocking: true });
  await using proxy = start(host, "tcp", 8080, fd);
  closeFd(fd);
  expect(await proxy.status).toBe("0\n");
  await expect(client).toReach("192.0.2.1:8080", { answer: "container 192.0.2.1" });
});

test("a port that is taken, and flags that are wrong, are told with status 1", async () => {
  await using lab = await Lab.create();
  const { host } = await hosts(lab);
  await using _taken = await host.listen("192.0.2.1", 8080);
  await using proxy = start(host, "tcp", 8080);
  expect(await proxy.status).toMatch(/^1\nbind 192\.0\.2\.1:8080\/tcp: address already in use/);
  await using wrong = start(host, "icmp", 8080);
  expect(await wrong.status).toBe("1\n-proto: not valid: icmp\n");
});

test.each(["SIGTERM", "SIGINT"] as const)("%s ends it with code 0", async (signal) => {
  await using lab = await Lab.create();
  const { host } = await hosts(lab);
  await using proxy = start(host, "tcp", 8080);
  await proxy.status;
  proxy.child.kill(signal);
  expect(await once(proxy.child, "exit")).toEqual([0, null]);
});
