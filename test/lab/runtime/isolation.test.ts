// What a process in a container sees and may do, by Docker's defaults.

import { execFile } from "node:child_process";
import { readFile, readlink, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  chooseCapabilities,
  gateAsDocker,
  grantDevices,
  packagedSeccompProfile,
  parseSeccompProfile,
  resolveUser,
  toOciSeccomp,
  treeAt,
  treeOfMounts,
} from "../../../src/runtime/index.ts";
import { RuntimeLab } from "./fixture.ts";

const run = promisify(execFile);

let lab: RuntimeLab;
beforeAll(async () => {
  lab = await RuntimeLab.create();
});
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
});

describe("the user", () => {
  test("by name is found in the root file system before anything is mounted", async () => {
    const mounts = await lab.prepare("lookup");
    const tree = treeOfMounts(mounts, () => false);
    if (!tree) throw new Error("no tree");
    const user = await resolveUser(tree, "alice", ["wheel", "77"]);
    expect(user).toEqual({
      uid: 1000,
      gid: 1001,
      additionalGids: [1001, 50, 10, 77].slice(1),
      home: "/home/alice",
    });
    await lab.containerd.snapshots.remove("lookup");
    const { out } = await lab.run(["id"], { process: { user } });
    expect(out.trim()).toBe("uid=1000(alice) gid=1001(alice) groups=10(wheel),50(staff),77");
  });

  test("of a running container is found through its first process", async () => {
    const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
    await task.start();
    const tree = treeAt(`/proc/${task.pid}/root`);
    expect(await resolveUser(tree, "1000")).toMatchObject({ uid: 1000, gid: 1001 });
    await expect(resolveUser(tree, "bob")).rejects.toMatchObject({
      kind: "invalid",
      message: "unable to find user bob: no matching entries in passwd file",
    });
    await lab.remove(id, task);
  });

  test("other than root has no capability in effect", async () => {
    const { out } = await lab.run(["cat", "/proc/self/status"], {
      process: { user: { uid: 1000, gid: 1000 } },
    });
    expect(out).toMatch(/^CapEff:\s+0{16}$/m);
    expect(out).toMatch(/^CapBnd:\s+00000000a80425fb$/m);
  });
});

describe("capabilities", () => {
  test("are Docker's fourteen by default", async () => {
    const { out } = await lab.run(["cat", "/proc/self/status"]);
    expect(out).toMatch(/^CapEff:\s+00000000a80425fb$/m);
    expect(out).toMatch(/^CapAmb:\s+0{16}$/m);
  });

  test("are all that the daemon has for a privileged container", async () => {
    const { out } = await lab.run(["sh", "-c", "cat /proc/self/status; mount | grep -w /sys"], {
      privileged: true,
    });
    const own = /^CapBnd:\s+(\S+)$/m.exec(await readFile("/proc/self/status", "utf8"))?.[1];
    expect(/^CapEff:\s+(\S+)$/m.exec(out)?.[1]).toBe(own);
  });
});

describe("files of the kernel", () => {
  test("are masked or read-only", async () => {
    const script =
      "cat /proc/timer_list | wc -c; touch /proc/sys/kernel/domainname; echo $?; touch /sys/x; echo $?";
    expect((await lab.run(["sh", "-c", script])).out).toBe("0\n1\n1\n");
  });

  test("and devices are those of Docker", async () => {
    const { out } = await lab.run(["sh", "-c", "ls /dev; echo x > /dev/null; head -c 3 /dev/zero | wc -c"]);
    const names = "console|core|fd|full|mqueue|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero";
    const listed = out.trim().split(/\s+/);
    expect(listed.pop()).toBe("3");
    expect(listed.filter((name) => !names.split("|").includes(name))).toEqual([]);
  });

  test("a granted device can be used", async () => {
    const devices = await grantDevices({
      hostPath: "/dev/null",
      containerPath: "/dev/nothing",
      permissions: "rwm",
    });
    expect(
      (await lab.run(["sh", "-c", "echo x > /dev/nothing; ls -l /dev/nothing"], { devices })).out,
    ).toMatch(/^crw.* 1,\s+3 .*\/dev\/nothing$/m);
  });
});

test("a read-only root keeps what must be writable so", async () => {
  const script = "touch /x; echo $?; touch /dev/shm/x; echo $?; touch /scratch/x; echo $?";
  const { out } = await lab.run(["sh", "-c", script], {
    rootfs: { readonly: true },
    mounts: [{ destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=64k"] }],
  });
  expect(out).toBe("1\n0\n0\n");
});

test("limits arrive, those above the daemon's own lowered to it", async () => {
  const { out } = await lab.run(["sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/cgroup"], {
    ulimits: [{ name: "nofile", soft: 100, hard: 2 ** 30 }],
    resources: { memoryBytes: 32 << 20, nanoCpus: 5e8, cpuShares: 512, pidsLimit: 20, cpusetCpus: "0" },
  });
  const own = lab.host.hardLimits.nofile ?? 0;
  expect(out).toMatch(new RegExp(`^100\n${Math.min(own, 2 ** 30)}\n`));
});

test("an unlimited limit is exact", async () => {
  const { out } = await lab.run(["sh", "-c", "ulimit -c"], {
    ulimits: [{ name: "core", soft: -1, hard: -1 }],
  });
  expect(out).toBe("unlimited\n");
});

test("the host's name, environment and working directory are what was asked for", async () => {
  const { out } = await lab.run(["sh", "-c", "hostname; echo $HOSTNAME $HOME $A; pwd; echo $PATH"], {
    hostname: "box",
    process: { env: ["A=b"], cwd: "/made/for/it" },
  });
  expect(out).toBe(
    "box\nbox /root b\n/made/for/it\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
  );
});

describe("the network", () => {
  test("is the one of a netns made beforehand", async () => {
    const name = `tsdocker-rt-${process.pid}`;
    await run("ip", ["netns", "add", name]);
    try {
      await run("ip", ["-n", name, "link", "add", "vmark", "type", "bridge"]);
      const network = { kind: "path", path: `/run/netns/${name}` } as const;
      const script =
        "ip -o link; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range";
      const { out } = await lab.run(["sh", "-c", script], {
        namespaces: { ...lab.spec("x").namespaces, network },
      });
      expect(out).toContain("vmark");
      expect(out).toMatch(/^0\n0\s2147483647\n$/m);
    } finally {
      await run("ip", ["netns", "delete", name]);
    }
  });

  test("of the host is containerd's own", async () => {
    const { id, task } = await lab.create({
      process: { args: ["sleep", "100"] },
      namespaces: { ...lab.spec("x").namespaces, network: { kind: "host" } },
    });
    await task.start();
    const netnsOf = (pid: number) => readlink(`/proc/${pid}/ns/net`);
    expect(await netnsOf(task.pid)).toBe(await netnsOf(lab.supervised.pid));
    await lab.remove(id, task);
  });
});

test("the pid namespace can be another container's", async () => {
  const first = await lab.create({ process: { args: ["sleep", "100"] } });
  await first.task.start();
  const pid = { kind: "path", path: `/proc/${first.task.pid}/ns/pid` } as const;
  const { out } = await lab.run(["sh", "-c", "cat /proc/1/cmdline"], {
    namespaces: { ...lab.spec("x").namespaces, pid },
  });
  expect(out).toContain("sleep\u0000100");
  await lab.remove(first.id, first.task);
});

const seccompSources = [packagedSeccompProfile, process.env.TSDOCKER_TEST_SECCOMP ?? ""];
for (const path of seccompSources.filter(Boolean))
  describe(`the seccomp profile ${path}`, async () => {
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    const profile = async (capAdd: readonly string[]) => {
      const wish = { privileged: false, add: capAdd, drop: [] };
      const context = {
        capabilities: chooseCapabilities(wish, lab.host.capabilities),
        kernel: lab.host.kernel,
      };
      return toOciSeccomp(gateAsDocker(parseSeccompProfile(await readFile(path, "utf8"))), context);
    };

    test.skipIf(!isThere)("is in force and keeps a container from making namespaces", async () => {
      const script = "grep Seccomp: /proc/self/status; unshare -U true; echo $?; unshare -m true; echo $?";
      const { out, err } = await lab.run(["sh", "-c", script], { seccomp: await profile([]) });
      expect(out).toBe("Seccomp:\t2\n1\n1\n");
      expect(err).toContain("Operation not permitted");
    });

    test.skipIf(!isThere)("opens with the capability that a call is gated by", async () => {
      const { out } = await lab.run(["sh", "-c", "unshare -m true; echo $?"], {
        capAdd: ["SYS_ADMIN"],
        seccomp: await profile(["SYS_ADMIN"]),
      });
      expect(out).toBe("0\n");
    });
  });

test("no-new-privileges is set where asked", async () => {
  const { out } = await lab.run(["cat", "/proc/self/status"], { process: { noNewPrivileges: true } });
  expect(out).toMatch(/^NoNewPrivs:\s+1$/m);
});
