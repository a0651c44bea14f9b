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
const open = ({ Pid }: { Pid: number }, name: string) => inMounts(Pid, `echo > /${name}`);

/** Runs a script among a container's files, whoever serves. */
async function inMounts(pid: number, script: string): Promise<void> {
  await run("nsenter", ["-t", String(pid), "-m", "sh", "-c", script]);
}

async function atGate(container: string, name: string): Promise<void> {
  await until("it waits", async () => new RegExp(`cat /${name}$`, "m").test(await ok("top", container)));
}

function killHard({ Pid }: { Pid: number }): void {
  // to the kernel 0 means all of us
  if (Pid > 0) process.kill(Pid, "SIGKILL");
}

/** The daemon has told that something was done to a container. */
const isTold = (action: string, container: string) =>
  daemon().events.some(
    ({ Action, Actor }) => Action === action && [Actor.ID, Actor.Attributes.name].includes(container),
  );

/** The state of a container whose daemon may be away, from the host's side. */
async function processOf(name: string): Promise<{ Pid: number; StartedAt: string }> {
  return (await inspect(name)).State;
}

afterEach(() => daemon().removeAll());

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
    await sh("live", "trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done", "--memory", "64m");
    await until("it listens", async () => (await ok("logs", "live")) === "up");
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
    const say = "echo $w$i; echo $w$i >&2; i=$((i+1)); usleep 2000";
    await sh("talker", `i=0; while :; do ${say}; [ ! -e /away ] || { rm /away; w=away; i=0; }; done`);
    await until("it talks", async () => (await ok("logs", "talker")).includes("20"));
    const { Pid } = await processOf("talker");
    await end();
    await inMounts(Pid, "touch /away; while [ -e /away ]; do usleep 2000; done");
    await daemon().start();
    await until("it talks on", async () => (await ok("logs", "talker")).includes("away20"));
    await ok("kill", "talker");
    const { stdout, stderr } = await daemon().docker("logs", "talker");
    for (const lines of [stdout, stderr].map((text) => text.trim().split("\n"))) {
      const begin = lines.indexOf("away0");
      const [before, meanwhile] = [lines.slice(0, begin).map(Number), lines.slice(begin)];
      expect(meanwhile).toEqual(meanwhile.map((__, at) => `away${at}`));
      // what a killed daemon had read and not yet written went with it, and nothing else
      expect(gaps(before)).toBeLessThanOrEqual(how.startsWith("is stopped") ? 0 : 1);
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
    const [connectedAt] = await until("its log has come", async () => {
      return /\S+(?= info +connected to containerd)/.exec((await daemon().log()).slice(length)) ?? undefined;
    });
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

/** How often a row that counts from 0 goes on with another number than the next. */
function gaps(row: readonly number[]): number {
  return row.filter((number, at) => number !== (row[at - 1] ?? -1) + 1).length;
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
    await atGate("again", "g");
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
    await atGate("once", "g");
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
    const id = await sh(
      "stubborn",
      "trap '' TERM; while :; do sleep 0.1; done",
      "--restart",
      "unless-stopped",
    );
    const before = await processOf("stubborn");
    const stopping = daemon().docker("stop", "-t", "60", "stubborn");
    await until("it is asked", () => isTold("kill", id));
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
    await daemon().client("docker", ["start", "-ai", "talk"], { stdin: "" });
    await ok("rm", "-f", "talk");
    const id = await ok("run", "-di", "--name", "on", "busybox", "sh", "-c", "cat; echo end");
    const client = daemon().terminal("docker", ["attach", "on"]);
    await until("it is attached", () => isTold("attach", id));
    await daemon().stop();
    await client.ends();
    await daemon().start();
    expect((await inspect("on")).State.Running).toBe(true);
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
    const follower = daemon().terminal("docker", ["logs", "-f", "--tail", "1", "ticker"]);
    await follower.shows(/tick \d+\s+tick \d+\s/);
    await ok("kill", "ticker");
    expect(await follower.ends()).toBe(0);
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
    const die = await until("its end is told", () =>
      daemon().events.find(({ Action, Actor }) => Action === "exec_die" && Actor.Attributes.execID === Id),
    );
    expect(die.Actor.Attributes).toMatchObject({ exitCode: "9" });
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
    await until("some run", () => clients.filter((_, at) => isTold("start", `half${at}`)).length >= 2);
    await daemon().signal("SIGKILL");
    await Promise.all(clients);
    await daemon().start();
    expect((await processOf("live")).Pid).toBe(Pid);
    for (let at = 0; at < 6; at++) await daemon().docker("rm", "-f", `half${at}`);
    await daemon().expectBackTo(before);
    const { Id } = await inspect("live");
    await expect.poll(() => readdir(join(daemon().folder, "run", "streams"))).toEqual([Id]);
  });

  test("a start that is killed as well changes nothing", async () => {
    await sh("live", "sleep 1000", "-p", "8080:80");
    const before = await daemon().snapshot();
    const state = (await inspect("live")).State;
    await daemon().signal("SIGKILL");
    for (const words of ["connected to containerd", "took a running container over"]) {
      const log = (await daemon().log()).length;
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
