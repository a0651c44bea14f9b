// Ports published and unpublished while their container runs, as clients and neighbours see it.

import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite({ images: ["busybox", "nginx"] });
const daemon = () => site().daemon;
const { greeter } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const port = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await daemon().tsdocker("port", ...args);
  return { code, stdout: stdout.trim(), stderr: stderr.trim() };
};
const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);
const change = (name: string, body: unknown) => daemon().api("POST", `/containers/${name}/ports`, body);

afterEach(() => daemon().removeAll());

describe("a running container", () => {
  test("gets a port, and loses it", async () => {
    await greeter("cc");
    await expect(site().peer).not.toReach("192.0.2.1:8080");
    expect(await port("add", "cc", "8080:80")).toEqual({
      code: 0,
      stdout: "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080",
      stderr: "",
    });
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
    await expect(site().peer).toReach("[2001:db8::1]:8080", { answer: "cc" });
    await expect(site().host).toReach("127.0.0.1:8080", { answer: "cc" });
    expect(await ok("port", "cc")).toContain("80/tcp -> 0.0.0.0:8080");
    expect(await ok("ps", "--format", "{{.Ports}}")).toContain("0.0.0.0:8080->80/tcp");
    const shown = await inspect("cc");
    expect(shown.HostConfig.PortBindings).toEqual({ "80/tcp": [{ HostIp: "", HostPort: "8080" }] });
    expect(shown.Config.ExposedPorts).toEqual({ "80/tcp": {} });

    expect(await port("rm", "cc", "8080:80")).toEqual({ code: 0, stdout: "", stderr: "" });
    await expect(site().peer).not.toReach("192.0.2.1:8080");
    expect(await ok("port", "cc")).toBe("");
    const after = await inspect("cc");
    expect(after.HostConfig.PortBindings).toEqual({});
    expect(after.NetworkSettings.Ports).toEqual({});
    // the host port is free again
    await using _ = await site().host.listen("0.0.0.0", 8080);
  });

  test("keeps them over a restart, of itself and of the daemon", async () => {
    await greeter("cc", "-p", "8079:80", "--restart", "always");
    await port("add", "cc", "8080:80", "127.0.0.1:8081:80");
    await port("rm", "cc", "8079:80");
    await ok("restart", "-t", "0", "cc");
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
    await expect(site().peer).not.toReach("192.0.2.1:8079");
    await daemon().stop();
    await daemon().start();
    await until("it runs again", async () => (await inspect("cc")).State.Running);
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
    await expect(site().host).toReach("127.0.0.1:8081", { answer: "cc" });
    await expect(site().peer).not.toReach("192.0.2.1:8081");
  });

  test("goes on with its other ports while one comes and goes, and none is missed for a moment", async () => {
    await ok("run", "-d", "--name", "cc", "-p", "8080:80", "busybox", "sleep", "1000");
    const inside = await daemon().inside("cc");
    try {
      await using _ = await inside.listen("0.0.0.0", 80, { reply: "cc" });
      let isDone = false;
      const seen = { reached: 0, missed: 0 };
      const client = (async () => {
        while (!isDone) {
          const answer = await site()
            .peer.ask("192.0.2.1:8080")
            .catch(() => undefined);
          if (answer === undefined) seen.missed++;
          else seen.reached++;
        }
      })();
      try {
        for (let round = 0; round < 10; round++) {
          expect((await change("cc", { Add: { "81/tcp": [{ HostPort: "8081" }] } })).status).toBe(200);
          expect((await change("cc", { Remove: { "81/tcp": [] } })).status).toBe(200);
        }
      } finally {
        isDone = true;
        await client;
      }
      expect(seen.missed).toBe(0);
      expect(seen.reached).toBeGreaterThan(0);
    } finally {
      await inside.close();
    }
  });

  test("gets every form of -p: ranges, random ports, udp, host addresses", async () => {
    await ok("run", "-d", "--name", "cc", "busybox", "sleep", "1000");
    const { stdout } = await port("add", "cc", "9000-9002:80-82", "53/udp", "127.0.0.1::90", "[::1]:9100:91");
    const lines = stdout.split("\n");
    expect(lines).toEqual(expect.arrayContaining(["80/tcp -> 0.0.0.0:9000", "82/tcp -> 0.0.0.0:9002"]));
    expect(stdout).toMatch(/^53\/udp -> 0\.0\.0\.0:[0-9]+$/m);
    expect(stdout).toMatch(/^90\/tcp -> 127\.0\.0\.1:[0-9]+$/m);
    expect(lines).toContain("91/tcp -> [::1]:9100");
    const random = /^53\/udp -> (0\.0\.0\.0:[0-9]+)$/m.exec(stdout)?.[1];
    // a random port stays what it is while others change, and goes by its number
    await port("rm", "cc", "81", "127.0.0.1::90");
    expect(await ok("port", "cc", "53/udp")).toContain(random);
    await port("rm", "cc", `${random?.split(":")[1]}:53/udp`);
    expect(await ok("port", "cc")).not.toContain("53/udp");
    expect(await ok("port", "cc")).toContain("82/tcp -> 0.0.0.0:9002");
  });

  test("that publishes all that is exposed can hide one of them", async () => {
    await ok("run", "-d", "--name", "cc", "-P", "--expose", "81", "nginx");
    expect(await ok("port", "cc")).toMatch(/^80\/tcp/m);
    await port("rm", "cc", "80");
    expect(await ok("port", "cc")).not.toMatch(/^80\/tcp/m);
    expect(await ok("port", "cc")).toMatch(/^81\/tcp/m);
  });
});

test("a stopped container has its ports at its next start", async () => {
  await ok("create", "--name", "cc", "busybox", "sh", "-c", "while :; do nc -l -p 80 -e echo cc; done");
  expect(await port("add", "cc", "8080:80")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect((await inspect("cc")).HostConfig.PortBindings).toEqual({
    "80/tcp": [{ HostIp: "", HostPort: "8080" }],
  });
  await ok("start", "cc");
  await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
});

test("an event tells what changed", async () => {
  const id = await ok("run", "-d", "--name", "cc", "busybox", "sleep", "1000");
  await port("add", "cc", "8080:80", "127.0.0.1:8081:81");
  await port("rm", "cc", "8080:80");
  const updates = await until("both are told", () => {
    const found = daemon().events.filter(({ Action, Actor }) => Action === "update" && Actor.ID === id);
    return found.length >= 2 && found.map(({ Actor }) => Actor.Attributes);
  });
  expect(updates).toMatchObject([
    { name: "cc", published: "8080:80/tcp,127.0.0.1:8081:81/tcp" },
    { name: "cc", unpublished: "8080:80/tcp" },
  ]);
});

describe("what cannot be done leaves everything as it was", () => {
  test("a port that another container or the host has", async () => {
    await greeter("one", "-p", "8080:80");
    await greeter("two", "-p", "8081:80");
    await using _ = await site().host.listen("0.0.0.0", 8082);
    const before = await inspect("two");
    for (const HostPort of ["8080", "8082"]) {
      const body = {
        Add: { "82/tcp": [{ HostPort: "8083" }], "83/tcp": [{ HostPort }] },
        Remove: { "80/tcp": [] },
      };
      const { status, body: answer } = await change("two", body);
      expect(status).toBe(409);
      expect(answer.message).toMatch(/port is already allocated|address already in use/);
      const after = await inspect("two");
      expect(after.HostConfig.PortBindings).toEqual(before.HostConfig.PortBindings);
      expect(after.NetworkSettings.Ports).toEqual(before.NetworkSettings.Ports);
      expect(after.Config.ExposedPorts).toEqual(before.Config.ExposedPorts);
    }
    await expect(site().peer).toReach("192.0.2.1:8081", { answer: "two" });
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "one" });
    await using _free = await site().host.listen("0.0.0.0", 8083);
  });

  test("a container without a network stack of its own, one that is not there, a port that is not", async () => {
    await ok("run", "-d", "--name", "host", "--network", "host", "busybox", "sleep", "1000");
    await ok("run", "-d", "--name", "owner", "busybox", "sleep", "1000");
    await ok("run", "-d", "--name", "guest", "--network", "container:owner", "busybox", "sleep", "1000");
    const body = { Add: { "80/tcp": [{ HostPort: "8080" }] } };
    expect((await change("nobody", body)).status).toBe(404);
    for (const name of ["host", "guest"]) expect((await change(name, body)).status).toBe(400);
    const gone = await change("owner", { Remove: { "80/tcp": [] } });
    expect([gone.status, gone.body.message]).toEqual([404, "No public port '80/tcp' published for owner"]);
    expect((await port("add", "owner", "8080:80/icmp")).stderr).toContain("invalid proto: icmp");
    expect((await port("rm", "owner", "80")).stderr).toContain("No public port '80/tcp' published for owner");
  });
});
