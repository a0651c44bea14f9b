// What a container's processes find around them, and what is seen of them from outside.

import { afterEach, describe, expect, test } from "vitest";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const docker = (...args: readonly string[]) => daemon().docker(...args);
const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);

/** A container that runs until it is stopped, and ends at once when it is asked to. */
const idle = ["busybox", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"] as const;
const start = (name: string, ...flags: readonly string[]) =>
  ok("run", "-d", "--name", name, ...flags, ...idle);

afterEach(() => daemon().removeAll());

describe("what a process finds", () => {
  const run = (...args: readonly string[]) => ok("run", "--rm", ...args);

  test("environment, folder, user, hostname", async () => {
    const said = await run(
      "-e",
      "A=b c",
      "-w",
      "/var/tmp/new",
      "-u",
      "33:8",
      "-h",
      "box",
      "busybox",
      "sh",
      "-c",
      "echo $A; pwd; id -u; id -g; hostname; cat /etc/hostname",
    );
    expect(said.split("\n")).toEqual(["b c", "/var/tmp/new", "33", "8", "box", "box"]);
  });

  test("a user by name with the groups of the image and extra ones", async () => {
    expect(await run("-u", "www-data", "--group-add", "mail", "--group-add", "4242", "busybox", "id")).toBe(
      "uid=33(www-data) gid=33(www-data) groups=8(mail),33(www-data),4242",
    );
    expect((await docker("run", "--rm", "-u", "nobody-here", "busybox", "id")).stderr).toMatch(
      /unable to find user nobody-here: no matching entries in passwd file/,
    );
  });

  test("ulimits and sysctls", async () => {
    const said = await run(
      "--ulimit",
      "nofile=123:456",
      "--sysctl",
      "net.ipv4.ip_default_ttl=77",
      "busybox",
      "sh",
      "-c",
      "ulimit -Sn; ulimit -Hn; cat /proc/sys/net/ipv4/ip_default_ttl",
    );
    expect(said.split("\n")).toEqual(["123", "456", "77"]);
  });

  test("limits of memory, processes and CPU", async () => {
    const said = await run(
      "-m",
      "32m",
      "--pids-limit",
      "50",
      "--cpus",
      "0.5",
      "busybox",
      "sh",
      "-c",
      "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || (cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; cut -d' ' -f1 /sys/fs/cgroup/cpu.max)",
    );
    expect(said.split("\n")).toEqual(["33554432", "50", "50000"]);
  });

  test("one that eats more memory than it may is killed, and inspect says why", async () => {
    await docker(
      "run",
      "--name",
      "cc",
      "-m",
      "16m",
      "--memory-swap",
      "16m",
      "busybox",
      "sh",
      "-c",
      "x=x; while :; do x=$x$x; done",
    );
    expect((await inspect("cc")).State).toMatchObject({ ExitCode: 137, OOMKilled: true });
  });

  test("a read-only root with a place to write", async () => {
    const said = await run(
      "--read-only",
      "--tmpfs",
      "/scratch:size=1m",
      "busybox",
      "sh",
      "-c",
      "touch /x 2>&1; touch /scratch/x && echo fine; df -k /scratch | tail -1 | awk '{print $2}'",
    );
    expect(said.split("\n")).toEqual(["touch: /x: Read-only file system", "fine", "1024"]);
  });

  test("Docker's capabilities, fewer, more, all", async () => {
    const caps = async (...flags: string[]) =>
      (await run(...flags, "busybox", "grep", "CapEff", "/proc/self/status")).split("\t")[1];
    expect(await caps()).toBe("00000000a80425fb");
    expect(await caps("--cap-drop", "ALL")).toBe("0000000000000000");
    expect(await caps("--cap-drop", "ALL", "--cap-add", "NET_ADMIN")).toBe("0000000000001000");
  });

  test("an init that reaps", async () => {
    const said = await docker("run", "--rm", "--init", "busybox", "cat", "/proc/1/comm");
    expect(said.stdout.trim() || said.stderr).toMatch(/docker-init|tini|init/);
  });
});

describe("looking at it", () => {
  test("top shows the processes with the host's PIDs", async () => {
    await start("cc");
    const { Pid } = (await inspect("cc")).State;
    const { Titles, Processes } = await daemon().ask("GET", "/containers/cc/top");
    const pids = Processes.map((row: string[]) => row[Titles.indexOf("PID")]);
    expect(pids).toContain(String(Pid));
    await ok("stop", "cc");
    expect((await daemon().api("GET", "/containers/cc/top")).status).toBe(409);
  });

  test("stats count memory, processor and network", async () => {
    await start("cc");
    const stats = await daemon().ask("GET", "/containers/cc/stats?stream=0&one-shot=1");
    expect(stats.name).toBe("/cc");
    expect(stats.memory_stats.usage).toBeGreaterThan(0);
    expect(stats.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(0);
    expect(stats.pids_stats.current).toBeGreaterThan(0);
    expect(stats.networks.eth0.rx_bytes).toBeGreaterThanOrEqual(0);
    expect(await ok("stats", "--no-stream", "--format", "{{.Name}}")).toBe("cc");
  });

  test("ps filters by name, label, status, network and ancestor", async () => {
    await start("one", "--label", "tier=front");
    await ok("create", "--name", "two", "busybox", "true");
    const names = (...filters: string[]) =>
      ok("ps", "-a", "--format", "{{.Names}}", ...filters.flatMap((it) => ["--filter", it]));
    expect(await names("name=one")).toBe("one");
    expect(await names("label=tier=front")).toBe("one");
    expect(await names("status=created")).toBe("two");
    expect((await names("network=bridge")).split("\n").sort()).toEqual(["one", "two"]);
    expect((await names("ancestor=busybox")).split("\n").sort()).toEqual(["one", "two"]);
    expect((await docker("ps", "--filter", "colour=red")).stderr).toContain("invalid filter 'colour'");
  });
});

describe("volumes and binds", () => {
  test("a named volume outlives its containers and starts with the image's files", async () => {
    await ok("run", "--rm", "-v", "data:/etc", "busybox", "sh", "-c", "echo kept > /etc/new");
    expect(
      await ok(
        "run",
        "--rm",
        "-v",
        "data:/d:ro",
        "busybox",
        "sh",
        "-c",
        "cat /d/new; ls /d/passwd; touch /d/x 2>&1 || true",
      ),
    ).toBe("kept\n/d/passwd\ntouch: /d/x: Read-only file system");
    expect(await ok("volume", "ls", "-q")).toBe("data");
    await ok("create", "--name", "user", "-v", "data:/d", "busybox");
    expect((await docker("volume", "rm", "data")).stderr).toMatch(/volume is in use - \[[0-9a-f]{64}\]/);
  });

  test("an anonymous volume goes with run --rm and stays without", async () => {
    await ok("run", "--rm", "-v", "/d", "busybox", "true");
    expect(await ok("volume", "ls", "-q")).toBe("");
    await ok("run", "--name", "cc", "-v", "/d", "busybox", "true");
    await ok("rm", "cc");
    expect(await ok("volume", "ls", "-q")).toMatch(/^[0-9a-f]{64}$/);
    await ok("volume", "prune", "-f");
    expect(await ok("volume", "ls", "-q")).toBe("");
  });

  test("a bind shows the host's folder; -v makes one that is missing, --mount refuses", async () => {
    const folder = `${daemon().folder}/shared`;
    await ok("run", "--rm", "-v", `${folder}:/s`, "busybox", "sh", "-c", "echo hello > /s/x");
    expect(
      await ok("run", "--rm", "--mount", `type=bind,src=${folder},dst=/s,readonly`, "busybox", "cat", "/s/x"),
    ).toBe("hello");
    const refused = await docker(
      "run",
      "--rm",
      "--mount",
      `type=bind,src=${folder}/none,dst=/s`,
      "busybox",
      "true",
    );
    expect(refused.code).toBe(125);
    expect(refused.stderr).toMatch(/bind source path does not exist: .*\/none/);
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("volumes-from gives one container's volumes to another", async () => {
    await ok("run", "--name", "first", "-v", "data:/d", "busybox", "sh", "-c", "echo hi > /d/x");
    expect(await ok("run", "--rm", "--volumes-from", "first", "busybox", "cat", "/d/x")).toBe("hi");
  });
});
