// Containers that outlive their daemon, as their users see it: state, output, ends, execs, health, policies.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { netnsIdentity } from "../../src/kernel/index.ts";
import { run, until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite({ flags: ["--live-restore"] });
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);
const sh = (name: string, script: string, ...flags: readonly string[]) =>
  ok("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", script);
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** How a daemon may go and come back. */
const restarts = [
  ["is stopped", async () => await daemon().stop()],
  ["is killed", async () => void (await daemon().signal("SIGKILL"))],
  [
    "is stopped and its containerd too",
    async () => {
      await daemon().stop();
      await endContainerd("SIGTERM");
    },
  ],
  [
    "is killed and its containerd too",
    async () => {
      await daemon().signal("SIGKILL");
      await endContainerd("SIGKILL");
    },
  ],
] as const;

async function endContainerd(signal: NodeJS.Signals): Promise<void> {
  const pid = Number(await readFile(join(daemon().folder, "run", "containerd", "containerd.pid"), "utf8"));
  process.kill(pid, signal);
  await until("containerd is gone", () => !isAlive(pid));
}

/** A fifo in the container that its command waits at: what happens next is the test's choice, whoever serves. */
const gate = (name: string) => `mkfifo /${name}; cat /${name} >/dev/null`;
async function open(container: { Pid: number }, name: string): Promise<void> {
  await run("nsenter", ["-t", String(container.Pid), "-m", "sh", "-c", `echo > /${name}`]);
}

function killHard({ Pid }: { Pid: number }): void {
  // to the kernel 0 means all of us
  if (Pid > 0) process.kill(Pid, "SIGKILL");
}

/** The state of a container whose daemon may be away, from the host's side. */
async function processOf(name: string): Promise<{ Pid: number; StartedAt: string }> {
  return (await inspect(name)).State;
}

afterEach(async () => {
  // a test that failed may have left us without
  await daemon()
    .ask("GET", "/_ping")
    .catch(() => daemon().start());
  await daemon().removeAll();
});

test("the daemon says that it does", async () => {
  expect(await daemon().ask("GET", "/info")).toMatchObject({ LiveRestoreEnabled: true });
});

test("a pin of a namespace that somebody unmounted is made again, and what it serves goes on", async () => {
  await sh("live", "while :; do nc -l -p 80 -e echo here; done", "-p", "8080:80");
  const before = await inspect("live");
  const { SandboxKey } = before.NetworkSettings;
  const identity = await netnsIdentity(SandboxKey);
  await daemon().stop();
  expect((await run("umount", [SandboxKey])).code).toBe(0);
  expect(await netnsIdentity(SandboxKey)).toBeUndefined();
  await daemon().start();
  expect(await netnsIdentity(SandboxKey)).toBe(identity);
  expect((await inspect("live")).NetworkSettings).toEqual(before.NetworkSettings);
  await expect(site().peer).toReach("192.0.2.1:8080", { answer: "here" });
  await ok("network", "create", "more");
  await ok("network", "connect", "more", "live");
  expect(await ok("exec", "live", "ip", "-o", "link", "show", "eth1")).toContain("eth1");
  await ok("rm", "-f", "live");
  expect(await netnsIdentity(SandboxKey)).toBeUndefined();
});

describe.each(restarts)("when the daemon %s", (how, end) => {
  test("a running container stays the same process, and can be used as before", async () => {
    await sh("live", "trap 'exit 3' TERM; while :; do sleep 0.1; done", "--memory", "64m");
    const before = await inspect("live");
    await end();
    expect(isAlive(before.State.Pid)).toBe(true);
    await daemon().start();
    const after = await inspect("live");
    expect(after.State).toEqual(before.State);
    expect(after.NetworkSettings).toEqual(before.NetworkSettings);
    expect(await ok("exec", "live", "echo", "hello")).toBe("hello");
    expect(await ok("top", "live", "-o", "pid")).toContain(String(before.State.Pid));
    const stats = await daemon().ask("GET", "/containers/live/stats?stream=0&one-shot=1");
    expect(stats.memory_stats.limit).toBe(64 * 1024 * 1024);
    expect(Object.keys(stats.networks)).toEqual(["eth0"]);
    await ok("pause", "live");
    await ok("unpause", "live");
    const waiting = ok("wait", "live");
    await ok("stop", "live");
    expect(await waiting).toBe("3");
    expect((await inspect("live")).State).toMatchObject({ Status: "exited", ExitCode: 3, Pid: 0 });
    await ok("start", "live");
    expect((await inspect("live")).State.Running).toBe(true);
  });

  test("nothing that a container writes meanwhile is lost", async () => {
    await sh("talker", "i=0; while :; do echo $i; echo e$i >&2; i=$((i+1)); usleep 2000; done");
    await until("it talks", async () => (await ok("logs", "talker")).includes("20"));
    await end();
    await daemon().start();
    const count = (await ok("logs", "talker")).split("\n").length;
    await until("it talks on", async () => (await ok("logs", "talker")).split("\n").length > count + 20);
    await ok("kill", "talker");
    const { stdout, stderr } = await daemon().docker("logs", "talker");
    const numbers = stdout.trim().split("\n").map(Number);
    const errors = stderr.trim().split("\n");
    if (how.startsWith("is stopped")) {
      expect(numbers).toEqual(numbers.map((__, at) => at));
      expect(errors).toEqual(errors.map((__, at) => `e${at}`));
    } else {
      // what a killed daemon had read and not yet written went with it, and nothing else
      expect(missing(numbers).length).toBeLessThan(20);
      expect(missing(errors.map((line) => Number(line.slice(1)))).length).toBeLessThan(20);
    }
  });

  test("an end meanwhile is told with its code and time, and the logs are whole", async () => {
    await sh("ender", `${gate("g")}; echo last words; exit 7`);
    const before = await processOf("ender");
    await end();
    const openedAt = Date.now();
    await open(before, "g");
    await until("it has ended", () => !isAlive(before.Pid));
    const { length } = await daemon().log();
    await daemon().start();
    const [connectedAt = ""] =
      /\S+(?= info +connected to containerd)/.exec((await daemon().log()).slice(length)) ?? [];
    const { State } = await until("its end is seen", async () => {
      const seen = await inspect("ender");
      return seen.State.Status === "exited" && seen;
    });
    expect(State).toMatchObject({ ExitCode: 7, Pid: 0, Running: false });
    expect(Date.parse(State.FinishedAt)).toBeGreaterThanOrEqual(openedAt);
    expect(Date.parse(State.FinishedAt)).toBeLessThan(Date.parse(connectedAt));
    const span = `since=${openedAt / 1000}&until=${Date.now() / 1000 + 0.1}`;
    const filters = encodeURIComponent(JSON.stringify({ event: ["die"], container: ["ender"] }));
    const { body } = await daemon().api("GET", `/events?${span}&filters=${filters}`);
    expect(JSON.stringify(body)).toContain('"exitCode":"7"');
    expect((await ok("logs", "ender")).split("\n")).toEqual(["last words"]);
    await ok("start", "ender");
  });
});

/** Numbers that are not in a row that should have all. */
function missing(row: readonly number[]): number[] {
  const present = new Set(row);
  return Array.from({ length: Math.max(...row) + 1 }, (_, at) => at).filter((at) => !present.has(at));
}

describe("what a container does meanwhile has its consequences", () => {
  const away = async (during: () => Promise<void>) => {
    await daemon().signal("SIGKILL");
    await during();
    await daemon().start();
  };

  test("a policy starts it again, and counts", async () => {
    await sh("again", `[ -e /g ] || { ${gate("g")}; exit 5; }; sleep 1000`, "--restart", "on-failure:3");
    const before = await processOf("again");
    await away(async () => {
      await open(before, "g");
      await until("it has ended", () => !isAlive(before.Pid));
    });
    const after = await until("it runs again", async () => {
      const seen = await inspect("again");
      return seen.State.Pid > 0 && seen.State.Pid !== before.Pid && seen;
    });
    expect(after.RestartCount).toBe(1);
  });

  test("a policy that has had its tries does not", async () => {
    await sh("once", `${gate("g")}; exit 5`, "--restart", "on-failure:1");
    await until("it waits", async () => (await ok("top", "once")).includes("cat"));
    const before = await processOf("once");
    await open(before, "g");
    await until("its one try runs", async () => {
      const seen = await inspect("once");
      return seen.State.Pid > 0 && seen.RestartCount === 1;
    });
    const second = await processOf("once");
    await away(async () => {
      killHard(second);
      await until("it has ended", () => !isAlive(second.Pid));
    });
    await until("its end is seen", async () => (await inspect("once")).State.Status === "exited");
    expect(await inspect("once")).toMatchObject({ RestartCount: 1, State: { ExitCode: 137 } });
  });

  test("one that was asked to stop does not come back", async () => {
    await sh("stubborn", "trap '' TERM; while :; do sleep 0.1; done", "--restart", "unless-stopped");
    const before = await processOf("stubborn");
    const stopping = daemon().docker("stop", "-t", "60", "stubborn");
    await until("it is asked", () => daemon().events.some(({ Action }) => Action === "kill"));
    await away(async () => {
      await stopping;
      killHard(before);
      await until("it has ended", () => !isAlive(before.Pid));
    });
    await until("its end is seen", async () => (await inspect("stubborn")).State.Status === "exited");
    expect((await inspect("stubborn")).RestartCount).toBe(0);
  });

  test("--rm removes it", async () => {
    await sh("gone", gate("g"), "--rm");
    const before = await processOf("gone");
    await away(async () => {
      await open(before, "g");
      await until("it has ended", () => !isAlive(before.Pid));
    });
    await until(
      "it is gone",
      async () => (await daemon().api("GET", "/containers/gone/json")).status === 404,
    );
    expect(await daemon().containerSnapshots()).toEqual([]);
  });

  test("one that shares its network goes on with it, and without it", async () => {
    await sh("owner", "sleep 1000");
    await sh("guest", "sleep 1000", "--network", "container:owner");
    const before = await processOf("guest");
    await away(async () => undefined);
    expect(await processOf("guest")).toEqual(before);
    expect(await ok("exec", "guest", "hostname", "-i")).toBe(await ok("exec", "owner", "hostname", "-i"));
    await ok("rm", "-f", "owner");
    await away(async () => undefined);
    expect(await processOf("guest")).toEqual(before);
    expect(await ok("exec", "guest", "echo", "here")).toBe("here");
  });
});

describe("what is attached to a container", () => {
  test("standard input stays open, and a new client is heard", async () => {
    await ok("run", "-di", "--name", "echo", "busybox", "cat");
    await daemon().stop();
    await daemon().start();
    const attached = daemon().client("docker", ["attach", "--sig-proxy=false", "echo"], {
      stdin: "hello\n",
    });
    await until("it is heard", async () => (await ok("logs", "echo")) === "hello");
    await ok("kill", "echo");
    expect((await attached).stdout).toBe("hello\n");
  });

  test("a client that was attached is cut off, and the container goes on", async () => {
    await ok("create", "-i", "--name", "talk", "busybox", "sh", "-c", "cat; echo end");
    const attached = daemon().client("docker", ["start", "-ai", "talk"], { stdin: "", timeoutMs: 20_000 });
    await attached;
    await ok("rm", "-f", "talk");
    await ok("run", "-di", "--name", "talk", "busybox", "sh", "-c", "cat; echo end");
    const client = daemon().terminal("docker", ["attach", "talk"]);
    await until("it is attached", () => daemon().events.some(({ Action }) => Action === "attach"));
    await daemon().stop();
    await client.ends();
    await daemon().start();
    expect((await inspect("talk")).State.Running).toBe(true);
  });

  test("a terminal works on", async () => {
    await ok("run", "-dit", "--name", "tty", "busybox", "sh");
    await daemon().stop();
    await daemon().start();
    const terminal = daemon().terminal("docker", ["attach", "tty"]);
    terminal.type("echo $((40+2))\n");
    await terminal.shows(/42/);
    terminal.type("exit 4\n");
    await terminal.ends();
    expect((await inspect("tty")).State.ExitCode).toBe(4);
  });

  test("logs are followed from where they are", async () => {
    await sh("ticker", "i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.1; done");
    await daemon().stop();
    await daemon().start();
    const follower = daemon().client("docker", ["logs", "-f", "--tail", "1", "ticker"]);
    const count = (await ok("logs", "ticker")).split("\n").length;
    await until("it ticks", async () => (await ok("logs", "ticker")).split("\n").length > count + 20);
    await ok("kill", "ticker");
    const { stdout } = await follower;
    expect(stdout.trim().split("\n").length).toBeGreaterThan(1);
  });
});

describe("execs", () => {
  test("one that runs is known by its id, and its end is told", async () => {
    await sh("host", "sleep 1000");
    const { Id } = await daemon().ask("POST", "/containers/host/exec", {
      Cmd: ["sh", "-c", `${gate("e")}; exit 9`],
    });
    await daemon().ask("POST", `/exec/${Id}/start`, { Detach: true });
    await until("it waits", async () => (await ok("top", "host")).includes("cat"));
    const before = await daemon().ask("GET", `/exec/${Id}/json`);
    await daemon().signal("SIGKILL");
    await daemon().start();
    expect(await daemon().ask("GET", `/exec/${Id}/json`)).toEqual(before);
    await open(await processOf("host"), "e");
    const ended = await until("its end is seen", async () => {
      const seen = await daemon().ask("GET", `/exec/${Id}/json`);
      return !seen.Running && seen;
    });
    expect(ended.ExitCode).toBe(9);
    const die = daemon().events.find(({ Action }) => Action === "exec_die");
    expect(die?.Actor.Attributes).toMatchObject({ execID: Id, exitCode: "9" });
  });

  test("one that ended meanwhile has its code", async () => {
    await sh("host", "sleep 1000");
    const { Id } = await daemon().ask("POST", "/containers/host/exec", {
      Cmd: ["sh", "-c", `${gate("e")}; exit 9`],
    });
    await daemon().ask("POST", `/exec/${Id}/start`, { Detach: true });
    await until("it waits", async () => (await ok("top", "host")).includes("cat"));
    const container = await processOf("host");
    const { Pid } = await daemon().ask("GET", `/exec/${Id}/json`);
    await daemon().stop();
    await open(container, "e");
    await until("it has ended", () => !isAlive(Pid));
    await daemon().start();
    const ended = await until("its end is seen", async () => {
      const seen = await daemon().ask("GET", `/exec/${Id}/json`);
      return !seen.Running && seen;
    });
    expect(ended.ExitCode).toBe(9);
  });

  test("one that writes more than a pipe holds is not held up", async () => {
    await sh("host", "sleep 1000");
    await ok(
      "exec",
      "-d",
      "host",
      "sh",
      "-c",
      "while [ ! -e /go ]; do sleep 0.1; done; yes | head -c 1000000; touch /done",
    );
    await daemon().stop();
    await daemon().start();
    await ok("exec", "host", "touch", "/go");
    await until("it is done", async () => (await daemon().docker("exec", "host", "ls", "/done")).code === 0);
  });
});

test("health is remembered, and checked on", async () => {
  const flags = ["--health-cmd", "[ ! -e /ill ]", "--health-interval", "200ms", "--health-retries", "1"];
  await sh("patient", "sleep 1000", ...flags);
  const status = async () => (await inspect("patient")).State.Health.Status;
  await until("it is healthy", async () => (await status()) === "healthy");
  await daemon().stop();
  await daemon().start();
  expect(await status()).toBe("healthy");
  await ok("exec", "patient", "touch", "/ill");
  await until("it is found ill", async () => (await status()) === "unhealthy");
});

describe("without containers that run", () => {
  test("an end leaves nothing, as ever", async () => {
    await ok("network", "create", "n");
    await ok("create", "--name", "idle", "--network", "n", "busybox");
    await daemon().stop();
    await daemon().expectNothingLeft();
    await daemon().start();
    expect((await inspect("idle")).State.Status).toBe("created");
    await ok("start", "idle");
  });
});

describe("what was half-made when the daemon was killed", () => {
  test("is undone, and what ran goes on", async () => {
    await sh("live", "sleep 1000");
    const before = await daemon().snapshot();
    const { Pid } = await processOf("live");
    const clients = Array.from({ length: 6 }, (_, at) =>
      daemon().docker("run", "--rm", "--name", `half${at}`, "busybox", "sleep", "0.2"),
    );
    await until("some run", () => daemon().events.filter(({ Action }) => Action === "start").length >= 3);
    await daemon().signal("SIGKILL");
    await Promise.all(clients);
    await daemon().start();
    expect((await processOf("live")).Pid).toBe(Pid);
    for (let at = 0; at < 6; at++) await daemon().docker("rm", "-f", `half${at}`);
    await daemon().expectBackTo(before);
    const streams = await readdir(join(daemon().folder, "run", "streams"));
    expect(streams).toEqual([(await inspect("live")).Id]);
  });

  test("a start that is killed as well changes nothing", async () => {
    await sh("live", "sleep 1000", "-p", "8080:80");
    const before = await daemon().snapshot();
    const state = (await inspect("live")).State;
    await daemon().signal("SIGKILL");
    const log = (await daemon().log()).length;
    for (const words of ["connected to containerd", "took a running container over"]) {
      const starting = daemon()
        .start()
        .catch(() => undefined);
      await until(words, async () => (await daemon().log()).slice(log).includes(words));
      await daemon().signal("SIGKILL");
      await starting;
    }
    await daemon().start();
    expect((await inspect("live")).State).toEqual(state);
    await daemon().expectBackTo(before);
  });
});
