// A container's life, from create to rm, as the docker CLI and the API tell it.

import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import type { DockerEvent } from "./daemon.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const docker = (...args: readonly string[]) => daemon().docker(...args);
const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);

/** A container that runs until it is stopped, and ends at once when it is asked to. */
const idle = ["busybox", "sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"] as const;
const start = (name: string, ...flags: readonly string[]) =>
  ok("run", "-d", "--name", name, ...flags, ...idle);

afterEach(() => daemon().removeAll());

describe("running and ending", () => {
  test("create, start, stop, start again and remove", async () => {
    const id = await ok("create", "--name", "cc", ...idle);
    expect((await inspect("cc")).State).toMatchObject({ Status: "created", Running: false, Pid: 0 });
    await ok("start", "cc");
    const running = await inspect("cc");
    expect(running).toMatchObject({
      Id: id,
      Name: "/cc",
      State: { Status: "running", Running: true, ExitCode: 0 },
    });
    expect(running.State.Pid).toBeGreaterThan(1);
    await until("it listens", async () => (await ok("logs", "cc")) === "up");
    await ok("stop", "cc");
    expect((await inspect("cc")).State).toMatchObject({
      Status: "exited",
      Running: false,
      Pid: 0,
      ExitCode: 0,
    });
    await ok("start", "cc");
    await ok("rm", "-f", "cc");
    expect((await daemon().api("GET", "/containers/cc/json")).status).toBe(404);
    expect(await daemon().containerSnapshots()).toEqual([]);
  });

  test("a second start and a second stop change nothing and say so", async () => {
    await start("cc");
    expect((await daemon().api("POST", "/containers/cc/start")).status).toBe(304);
    await ok("stop", "cc");
    expect((await daemon().api("POST", "/containers/cc/stop")).status).toBe(304);
  });

  test("stop kills what does not listen, and the exit code tells", async () => {
    await ok(
      "run",
      "-d",
      "--name",
      "deaf",
      "busybox",
      "sh",
      "-c",
      "trap '' TERM; while :; do sleep 0.05; done",
    );
    await ok("stop", "-t", "0", "deaf");
    expect((await inspect("deaf")).State.ExitCode).toBe(137);
  });

  test("kill sends the signal that was named", async () => {
    await ok(
      "run",
      "-d",
      "--name",
      "cc",
      "busybox",
      "sh",
      "-c",
      "trap 'exit 5' USR1; echo up; while :; do sleep 0.05; done",
    );
    await until("it listens", async () => (await ok("logs", "cc")) === "up");
    await ok("kill", "-s", "USR1", "cc");
    expect(await ok("wait", "cc")).toBe("5");
    const late = await docker("kill", "cc");
    expect(late.code).toBe(1);
    expect(late.stderr).toMatch(/cannot kill container: cc: container [0-9a-f]{64} is not running/i);
  });

  test("restart gives a new process and keeps the id", async () => {
    await start("cc");
    const before = await inspect("cc");
    await ok("restart", "cc");
    const after = await inspect("cc");
    expect(after.Id).toBe(before.Id);
    expect(after.State.Pid).not.toBe(before.State.Pid);
    expect(after.RestartCount).toBe(0);
  });

  test("pause stops the clock, unpause starts it", async () => {
    await start("cc");
    await ok("pause", "cc");
    expect((await inspect("cc")).State).toMatchObject({ Status: "paused", Paused: true, Running: true });
    expect(await ok("ps", "--format", "{{.Status}}")).toMatch(/\(Paused\)$/);
    expect((await docker("exec", "cc", "true")).stderr).toMatch(
      /is paused, unpause the container before exec/,
    );
    await ok("unpause", "cc");
    expect((await inspect("cc")).State.Status).toBe("running");
    expect((await daemon().api("POST", "/containers/cc/unpause")).status).toBe(500);
  });

  test("rename takes effect for every look-up", async () => {
    await start("old");
    await ok("rename", "old", "new");
    expect((await daemon().api("GET", "/containers/old/json")).status).toBe(404);
    expect((await inspect("new")).Name).toBe("/new");
    await start("old");
    expect((await docker("rename", "old", "new")).stderr).toMatch(
      /Conflict\. The container name "\/new" is already in use by container/,
    );
  });

  test("wait answers with the exit code, also for one that is removed on its end", async () => {
    await ok("create", "--rm", "--name", "cc", "busybox", "sh", "-c", "exit 3");
    const options = {
      socketPath: daemon().socket,
      method: "POST",
      path: "/containers/cc/wait?condition=removed",
    };
    // its head says that the daemon knows who waits
    const answer = await new Promise<IncomingMessage>((resolve, reject) =>
      request(options, resolve).once("error", reject).end(),
    );
    await ok("start", "cc");
    expect(await json(answer)).toMatchObject({ StatusCode: 3 });
    await until("it is gone", async () => (await daemon().api("GET", "/containers/cc/json")).status === 404);
  });

  test("a name is free the moment run --rm returns", async () => {
    for (let round = 0; round < 3; round++) {
      const { code, stderr } = await docker("run", "--rm", "--name", "again", "busybox", "true");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    }
  });

  test("rm refuses a running container, rm -f does not", async () => {
    const id = await start("cc");
    const refused = await daemon().api("DELETE", "/containers/cc");
    expect(refused.status).toBe(409);
    expect(refused.body.message).toMatch(
      /cannot remove container "\/cc": container is running: stop the container/,
    );
    expect(await ok("rm", "-f", id.slice(0, 12))).toBe(id.slice(0, 12));
  });

  test("prune removes what has ended and names it", async () => {
    await start("stays");
    const id = await ok("create", "--name", "goes", "busybox", "true");
    expect((await daemon().ask("POST", "/containers/prune")).ContainersDeleted).toEqual([id]);
    expect(await ok("ps", "-a", "--format", "{{.Names}}")).toBe("stays");
  });
});

describe("exit codes of run", () => {
  const cases = [
    ["its own", ["busybox", "sh", "-c", "exit 42"], 42],
    ["126 for what is not executable", ["busybox", "/etc/passwd"], 126],
    ["127 for what does not exist", ["busybox", "no-such-command"], 127],
    ["125 for what the daemon refuses", ["--network", "nowhere", "busybox", "true"], 125],
  ] as const;
  for (const client of ["docker", "tsdocker"] as const) {
    test.each(cases)(`${client}: %s`, async (_, args, code) => {
      const ran = await daemon().client(client, ["run", "--rm", ...args]);
      expect(ran.code, ran.stderr).toBe(code);
      expect(await ok("ps", "-aq", "--filter", "status=running")).toBe("");
    });
  }

  test("a command that does not exist leaves a container without network, rules or task", async () => {
    const before = await daemon().snapshot();
    await docker("run", "--name", "cc", "-p", "8080:80", "busybox", "no-such-command");
    expect((await inspect("cc")).State).toMatchObject({ Status: "created", ExitCode: 127 });
    await daemon().expectBackTo(before);
  });
});

describe("restart policies", () => {
  test("on-failure:2 tries twice more, then gives up", async () => {
    await ok(
      "run",
      "-d",
      "--name",
      "cc",
      "--restart",
      "on-failure:2",
      "busybox",
      "sh",
      "-c",
      "echo try; exit 9",
    );
    const state = await until("it gives up", async () => {
      const { State, RestartCount } = await inspect("cc");
      return RestartCount === 2 && State.Status === "exited" && State;
    });
    expect(state.ExitCode).toBe(9);
    expect((await ok("logs", "cc")).split("\n")).toEqual(["try", "try", "try"]);
  });

  test("on-failure leaves alone what ended well", async () => {
    await ok("run", "-d", "--name", "cc", "--restart", "on-failure", "busybox", "true");
    expect(await ok("wait", "cc")).toBe("0");
    expect((await inspect("cc")).RestartCount).toBe(0);
  });

  test("always brings it back with its network, until it is stopped by hand", async () => {
    await ok("run", "-d", "--name", "cc", "--restart", "always", ...idle);
    const { Pid } = (await inspect("cc")).State;
    process.kill(Pid, "SIGKILL");
    await until("it is back", async () => {
      const { State, NetworkSettings } = await inspect("cc");
      return State.Running && State.Pid !== Pid && NetworkSettings.Networks.bridge.IPAddress !== "";
    });
    await ok("stop", "cc");
    expect((await inspect("cc")).State.Status).toBe("exited");
  });

  test("stop ends a container that waits for its restart", async () => {
    await ok("run", "-d", "--name", "cc", "--restart", "always", "busybox", "false");
    await until("it waits", async () => (await inspect("cc")).State.Status === "restarting");
    await ok("stop", "cc");
    expect((await inspect("cc")).State.Status).toBe("exited");
  });
});

describe("update", () => {
  test("changes limits of a running container and its restart policy", async () => {
    await start("cc", "-m", "64m");
    await ok("update", "-m", "48m", "--memory-swap", "96m", "--restart", "unless-stopped", "cc");
    expect((await inspect("cc")).HostConfig).toMatchObject({
      Memory: 48 << 20,
      RestartPolicy: { Name: "unless-stopped" },
    });
    const said = await ok(
      "exec",
      "cc",
      "sh",
      "-c",
      "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max",
    );
    expect(said).toBe(String(48 << 20));
  });
});

describe("events", () => {
  test("come in Docker's order", async () => {
    const network = await ok("network", "create", "n");
    const name = `on-${network.slice(0, 12)}`;
    await ok("run", "--rm", "--name", name, "--network", "n", "busybox", "true");
    await ok("network", "rm", "n");
    // what earlier tests removed may be told only now
    const isOurs = ({ Actor }: DockerEvent) => Actor.ID === network || Actor.Attributes.name === name;
    const actions = () =>
      daemon()
        .events.filter(isOurs)
        .map(({ Type, Action }) => `${Type} ${Action}`);
    await until("all are told", () => actions().includes("network destroy"));
    expect(actions()).toEqual([
      "network create",
      "container create",
      "container attach",
      "network connect",
      "container start",
      "container die",
      "network disconnect",
      "container destroy",
      "network destroy",
    ]);
  });

  test("carry names, exit codes and signals, and are kept for those who come later", async () => {
    const since = Date.now() / 1000;
    await start("cc", "--label", "a=b");
    await ok("kill", "cc");
    const text = await ok(
      "events",
      "--since",
      String(since),
      "--until",
      String(Date.now() / 1000),
      "--format",
      "{{json .}}",
    );
    const events = text.split("\n").map((line) => JSON.parse(line));
    const of = (action: string) => events.find(({ Action }) => Action === action)?.Actor.Attributes;
    expect(of("start")).toMatchObject({ name: "cc", image: "busybox", a: "b" });
    expect(of("kill")).toMatchObject({ signal: "9" });
    expect(of("die")).toMatchObject({ exitCode: "137" });
    expect(of("connect")).toMatchObject({ name: "bridge", type: "bridge" });
  });
});

describe("health", () => {
  test("a check turns a container healthy, then unhealthy, and says what it printed", async () => {
    await start(
      "cc",
      "--health-cmd",
      "test ! -e /sick && echo well || { echo ill; exit 1; }",
      "--health-interval",
      "100ms",
      "--health-retries",
      "2",
    );
    const health = async () => (await inspect("cc")).State.Health;
    const becomes = (status: string) =>
      until(`it is ${status}`, async () => (await health()).Status === status);
    await becomes("healthy");
    expect((await health()).Log.at(-1)).toMatchObject({ ExitCode: 0, Output: "well\n" });
    expect(await ok("ps", "--format", "{{.Status}}")).toMatch(/\(healthy\)$/);
    await ok("exec", "cc", "touch", "/sick");
    await becomes("unhealthy");
    expect((await health()).FailingStreak).toBeGreaterThanOrEqual(2);
    await expect
      .poll(() => daemon().events.map(({ Action }) => Action))
      .toEqual(expect.arrayContaining(["health_status: healthy", "health_status: unhealthy"]));
  });
});
