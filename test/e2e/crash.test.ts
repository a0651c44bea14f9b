// Ends that nobody planned: the daemon or its containerd is killed, and what comes after must find its way.

import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { Lab } from "../lab/lab.ts";
import { containersOn } from "./containers.ts";
import { startDaemon } from "./daemon.ts";
import { request } from "./http.ts";
import { run, until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const { greeter } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
/** The host once no container has anything there: links, what the firewall has of them, and shims go behind the answer. */
const atRest = () =>
  until("no endpoint is left", async () => {
    const snapshot = await daemon().snapshot();
    const isLeft = Object.values(snapshot).some((lines) => lines.some((line) => /veth|shim/.test(line)));
    return isLeft ? undefined : snapshot;
  });
const untilNoSnapshotIsLeft = () =>
  until("no snapshot is left", async () => (await daemon().containerSnapshots()).length === 0);
const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);

afterEach(() => daemon().removeAll());

describe("a daemon that was killed", () => {
  test("comes back with its records; what ran has ended, and everything it held is free", async () => {
    const before = await atRest();
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
    const withNetwork = await daemon().snapshot();
    await greeter("cc", "--network", "n", "--ip", "198.51.100.9", "-p", "8080:80");
    await ok("create", "--name", "never", "busybox");
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
    const { Pid } = (await inspect("cc")).State;
    await daemon().signal("SIGKILL");
    await daemon().start();
    expect((await inspect("cc")).State).toMatchObject({ Status: "exited", Running: false, Pid: 0 });
    expect((await inspect("never")).State.Status).toBe("created");
    expect(() => process.kill(Pid, 0)).toThrow("ESRCH");
    await daemon().expectBackTo(withNetwork);
    await greeter("next", "--network", "n", "--ip", "198.51.100.9", "-p", "8080:80");
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "next" });
    await ok("rm", "-f", "next");
    await ok("start", "cc");
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
    await ok("rm", "-f", "cc", "never");
    await ok("network", "rm", "n");
    await daemon().expectBackTo(before);
    await untilNoSnapshotIsLeft();
  });

  test("starts again what its policy says, with its ports", async () => {
    await greeter("cc", "--restart", "always", "-p", "8080:80");
    await greeter("stopped", "--restart", "unless-stopped");
    await ok("stop", "-t", "0", "stopped");
    await daemon().signal("SIGKILL");
    await daemon().start();
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
    expect((await inspect("cc")).State.Running).toBe(true);
    expect((await inspect("stopped")).State.Status).toBe("exited");
  });

  test("while it starts and ends containers leaves nothing that nobody knows", async () => {
    const before = await atRest();
    const earlier = daemon().events.length;
    const clients = Array.from({ length: 6 }, (_, index) =>
      daemon().docker("run", "--rm", "-p", `${9000 + index}:80`, "busybox", "sleep", "0.2"),
    );
    const starts = () =>
      daemon()
        .events.slice(earlier)
        .filter(({ Action }) => Action === "start");
    await until("some run", () => starts().length >= 2);
    await daemon().signal("SIGKILL");
    await Promise.all(clients);
    await daemon().start();
    await daemon().removeAll();
    await daemon().expectBackTo(before);
    await untilNoSnapshotIsLeft();
  });

  test("and stopped in order afterwards, it brings its containers up again by policy alone", async () => {
    await greeter("cc", "--restart", "always");
    await daemon().stop();
    await daemon().start();
    await until("it runs", async () => (await inspect("cc")).State.Running);
  });
});

describe("a containerd that was killed", () => {
  const containerdPid = async () => {
    const socket = join(daemon().folder, "run", "containerd");
    // none while it is started again
    return await until("containerd runs", async () => {
      const { stdout } = await run("pgrep", ["-f", `containerd --config ${socket}`]);
      return Number(stdout.trim().split("\n")[0]) || undefined;
    });
  };

  test("is started again; running containers and their ends are not lost", async () => {
    await greeter("cc", "-p", "8080:80");
    const pid = await containerdPid();
    process.kill(pid, "SIGKILL");
    await until("another runs", async () => (await containerdPid()) !== pid);
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
    await until(
      "it works again",
      async () => (await daemon().docker("run", "--rm", "busybox", "true")).code === 0,
    );
    expect((await inspect("cc")).State.Running).toBe(true);
    await ok("stop", "-t", "0", "cc");
    expect((await inspect("cc")).State).toMatchObject({ Status: "exited", ExitCode: 137 });
  });

  test("while requests run: each of them ends, and nothing is left", async () => {
    const before = await atRest();
    const clients = Array.from({ length: 6 }, (_, index) =>
      daemon().docker("run", "--rm", "-p", `${9000 + index}:80`, "busybox", "sleep", "0.1"),
    );
    const started = daemon().events.length;
    await until("some run", () =>
      daemon()
        .events.slice(started)
        .some(({ Action }) => Action === "start"),
    );
    process.kill(await containerdPid(), "SIGKILL");
    await Promise.all(clients);
    await until(
      "it works again",
      async () => (await daemon().docker("run", "--rm", "busybox", "true")).code === 0,
    );
    await daemon().removeAll();
    await daemon().expectBackTo(before);
    await untilNoSnapshotIsLeft();
  });
});

describe("starting where another is", () => {
  /** Runs tsdockerd with the daemon's own command line until it ends. */
  const again = (flags: readonly string[], wrap: readonly string[] = []) =>
    run("nsenter", [
      `--net=${daemon().host.netns}`,
      ...wrap,
      process.execPath,
      ...daemon().arguments,
      ...flags,
    ]);

  test("the PID file of one that lives is respected", async () => {
    const { code, stderr } = await again([]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /failed to start daemon, ensure tsdockerd is not running or delete .*pid: process with PID \d+ is still running/,
    );
    expect((await daemon().api("GET", "/_ping")).status).toBe(200);
  });

  test("one with other places leaves alone what the first one has", async () => {
    const before = await atRest();
    const place = (name: string) => join(daemon().folder, "other", name);
    const places = ["data-root", "exec-root", "pidfile"].flatMap((flag) => [`--${flag}`, place(flag)]);
    const { code, stderr } = await again([...places, "-H", `unix://${place("sock")}`]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("another tsdockerd runs here")]);
    await daemon().expectBackTo(before);
  });

  test("an unknown key in daemon.json, and one that is given twice, are fatal", async () => {
    const path = join(daemon().folder, "wrong.json");
    await writeFile(path, '{"colour": "blue"}');
    const unknown = await again(["--config-file", path, "--pidfile", `${path}.pid`]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(
      /unable to configure the Docker daemon with file .*wrong\.json: the following directives don't match any configuration option: colour/,
    );
    await writeFile(path, '{"mtu": 1400}');
    const twice = await again(["--config-file", path, "--mtu", "1300"]);
    expect(twice.code).toBe(1);
    expect(twice.stderr).toMatch(
      /the following directives are specified both as a flag and in the configuration file: mtu/,
    );
  });

  test("without root it says so and ends", async () => {
    // an unmapped user: he may read the checkout wherever it lies, and is not root
    const { code, stderr } = await again([], ["unshare", "--user"]);
    expect(code).toBe(1);
    expect(stderr).toContain("needs to be started with root privileges");
  });

  test("plain TCP beyond loopback is refused", async () => {
    const { code, stderr } = await again(["-H", "tcp://0.0.0.0:2375"]);
    expect(code).toBe(1);
    expect(stderr).toContain("plain TCP");
  });

  test("a socket file that a dead one left is no obstacle", async () => {
    await daemon().signal("SIGKILL");
    await expect(request(daemon().socket, "GET", "/_ping")).rejects.toThrow("ECONNREFUSED");
    await daemon().start();
    expect((await daemon().api("GET", "/_ping")).status).toBe(200);
  });

  test("one whose log nobody reads any more serves on and ends in order", async () => {
    await daemon().stop();
    const deaf = daemon().host.spawn(process.execPath, daemon().arguments, {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = once(deaf, "exit");
    const serves = () =>
      daemon()
        .api("GET", "/_ping")
        .then(
          ({ status }) => status === 200,
          () => false,
        );
    try {
      deaf.stderr?.once("data", () => deaf.stderr?.destroy());
      await until("it serves", async () => (await serves()) || deaf.exitCode !== null);
      // each is a line of the log
      deaf.kill("SIGHUP");
      expect(await serves()).toBe(true);
    } finally {
      deaf.kill("SIGTERM");
      await ended;
      await daemon().start();
    }
    expect(deaf.exitCode).toBe(0);
  });

  test("two daemons side by side have nothing in common", async () => {
    await using lab = await Lab.create();
    const host = await lab.host("second");
    await using other = await startDaemon({ host });
    await greeter("cc", "-p", "8080:80");
    await other.ok("run", "-d", "--name", "cc", "-p", "8080:80", "busybox", "sleep", "100");
    expect(await ok("ps", "-q")).not.toBe(await other.ok("ps", "-q"));
    await other.ok("rm", "-f", "cc");
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "cc" });
  });
});
