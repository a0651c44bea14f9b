// What goes in and out of containers: logs, attach, exec, terminals, pipes.

import { afterEach, describe, expect, test } from "vitest";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);

afterEach(() => daemon().removeAll());

const clients = ["docker", "tsdocker"] as const;

describe.each(clients)("by %s", (client) => {
  const typed = (args: readonly string[], stdin?: string | Buffer) =>
    daemon().client(client, args, stdin === undefined ? {} : { stdin });

  test("stdout and stderr arrive apart, stdin as it was sent", async () => {
    const ran = await typed(
      ["run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo oops >&2; exit 4"],
      "to be\nor not",
    );
    expect(ran).toEqual({ code: 4, stdout: "to be\nor not", stderr: "oops\n" });
  });

  test("exec pipes, and ends with the command's own code", async () => {
    await ok("run", "-d", "--name", "cc", "busybox", "sleep", "100");
    expect(await typed(["exec", "-i", "cc", "sh", "-c", "wc -c; exit 3"], "12345")).toEqual({
      code: 3,
      stdout: "5\n",
      stderr: "",
    });
    expect((await typed(["exec", "cc", "no-such-command"])).code).toBe(127);
    expect(
      (await typed(["exec", "-u", "33", "-w", "/tmp", "-e", "A=b", "cc", "sh", "-c", "id -u; pwd; echo $A"]))
        .stdout,
    ).toBe("33\n/tmp\nb\n");
  });

  test("logs: all, the tail, with times, since", async () => {
    const script = "echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.02; done; echo three";
    await ok("run", "-d", "--name", "cc", "busybox", "sh", "-c", script);
    // a line's time is when the daemon reads it
    await until("the first lines are read", async () => {
      const { stdout, stderr } = await daemon().docker("logs", "cc");
      return stdout === "one\n" && stderr === "two\n";
    });
    await ok("exec", "cc", "touch", "/go");
    await ok("wait", "cc");
    const all = await typed(["logs", "cc"]);
    expect(all).toEqual({ code: 0, stdout: "one\nthree\n", stderr: "two\n" });
    expect((await typed(["logs", "--tail", "1", "cc"])).stdout).toBe("three\n");
    const stamped = await typed(["logs", "-t", "cc"]);
    expect(stamped.stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one\n/);
    const last = stamped.stdout.split("\n")[1]?.split(" ")[0] ?? "";
    expect((await typed(["logs", "--since", last, "cc"])).stdout).toBe("three\n");
    expect((await typed(["logs", "--until", "2020-01-01T00:00:00Z", "cc"])).stdout).toBe("");
  });

  test("logs -f goes on to the end of the container", async () => {
    await ok(
      "run",
      "-d",
      "--name",
      "cc",
      "busybox",
      "sh",
      "-c",
      "echo first; while [ ! -e /go ]; do sleep 0.02; done; echo last",
    );
    const following = typed(["logs", "-f", "cc"]);
    await until("it says something", async () => (await ok("logs", "cc")) === "first");
    await ok("exec", "cc", "touch", "/go");
    expect((await following).stdout).toBe("first\nlast\n");
  });

  test("a terminal: size, detach keys, attach again", async () => {
    const terminal = daemon().terminal(client, ["run", "-it", "--name", "cc", "busybox", "sh"]);
    await terminal.shows(/# /);
    terminal.type("stty size\r");
    await terminal.shows(/30 99/);
    terminal.type("\x10\x11");
    expect(await terminal.ends()).toBe(0);
    expect(await ok("ps", "--format", "{{.Names}}")).toBe("cc");
    const again = daemon().terminal(client, ["attach", "cc"]);
    again.type("echo here-a''gain\r");
    await again.shows(/here-again/);
    again.type("exit 6\r");
    expect(await again.ends()).toBe(6);
  });

  test("Ctrl-C at the terminal reaches the process", async () => {
    const terminal = daemon().terminal(client, [
      "run",
      "-it",
      "--rm",
      "busybox",
      "sh",
      "-c",
      "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done",
    ]);
    await terminal.shows(/ready/);
    terminal.type("\x03");
    expect(await terminal.ends()).toBe(9);
  });
});

test("50 MB pass through run, exec and logs whole", async () => {
  const megabytes = 50;
  const make = `dd if=/dev/zero bs=1048576 count=${megabytes} 2>/dev/null | tr '\\0' x | fold -w 99`;
  const bytes = (megabytes << 20) + Math.floor((megabytes << 20) / 99);
  const docker = (...args: string[]) => daemon().client("docker", args, { timeoutMs: 120_000 });
  const ran = await docker("run", "--name", "cc", "busybox", "sh", "-c", make);
  expect(ran.stdout.length).toBe(bytes);
  const logged = await docker("logs", "cc");
  expect(logged.stdout.length).toBe(bytes);
  await ok("run", "-d", "--name", "sleeper", "busybox", "sleep", "100");
  const executed = await docker("exec", "sleeper", "sh", "-c", make);
  expect(executed.stdout.length).toBe(bytes);
}, 400_000);

test("20 MB go in and come out again", async () => {
  const bytes = Buffer.alloc(20 << 20, "abcdefghijklmnopqrstuvwxyz\n");
  const ran = await daemon().client("docker", ["run", "--rm", "-i", "busybox", "cat"], { stdin: bytes });
  expect(ran.code).toBe(0);
  expect(Buffer.from(ran.stdout).equals(bytes)).toBe(true);
});

test("an exec's end is told to who inspects it", async () => {
  await ok("run", "-d", "--name", "cc", "busybox", "sleep", "100");
  const { Id } = await daemon().ask("POST", "/containers/cc/exec", {
    Cmd: ["sh", "-c", "exit 8"],
    AttachStdout: true,
  });
  expect(await daemon().ask("GET", `/exec/${Id}/json`)).toMatchObject({ Running: false, ExitCode: null });
  await daemon().ask("POST", `/exec/${Id}/start`, { Detach: true });
  await until("it has ended", async () => (await daemon().ask("GET", `/exec/${Id}/json`)).ExitCode === 8);
  await until("it is told", () =>
    daemon().events.some(({ Action, Actor }) => Action === "exec_die" && Actor.Attributes.exitCode === "8"),
  );
});
