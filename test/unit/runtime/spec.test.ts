// The OCI specification of a container.

import { describe, expect, test } from "vitest";
import {
  bindMount,
  buildExecProcess,
  buildSpec,
  type OciMount,
  tmpfsMount,
} from "../../../src/runtime/index.ts";
import { host, plain } from "./spec-input.ts";

const mountAt = (mounts: readonly OciMount[], destination: string) =>
  mounts.find((mount) => mount.destination === destination);

describe("a specification", () => {
  test("is the same document for the same input", () => {
    expect(buildSpec(plain)).toEqual(buildSpec(structuredClone(plain)));
  });

  test("gives Docker's fourteen capabilities, nothing inheritable or ambient", () => {
    const { capabilities } = buildSpec(plain).process;
    expect(Object.keys(capabilities ?? {}).toSorted()).toEqual(["bounding", "effective", "permitted"]);
    expect(capabilities?.bounding).toHaveLength(14);
    expect(capabilities?.effective).toEqual(capabilities?.bounding);
  });

  test("gives a user other than root no capability in effect", () => {
    const user = { uid: 1000, gid: 1000 };
    const { capabilities } = buildSpec({ ...plain, process: { ...plain.process, user } }).process;
    expect(Object.keys(capabilities ?? {})).toEqual(["bounding"]);
  });

  test("lets the shim mount the root unless a path is given", () => {
    expect(buildSpec(plain).root).toEqual({ path: "rootfs", readonly: false });
    expect(buildSpec({ ...plain, rootfs: { path: "/r", readonly: true } }).root).toEqual({
      path: "/r",
      readonly: true,
    });
  });

  test("masks and protects what Docker does, the machine's thermal counters included", () => {
    const { maskedPaths, readonlyPaths } = buildSpec(plain).linux;
    expect(maskedPaths).toContain("/proc/kcore");
    expect(maskedPaths).toContain("/sys/devices/system/cpu/cpu0/thermal_throttle");
    expect(readonlyPaths).toEqual(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]);
  });

  test("masks what was asked for instead", () => {
    const { maskedPaths, readonlyPaths } = buildSpec({
      ...plain,
      maskedPaths: [],
      readonlyPaths: ["/a"],
    }).linux;
    expect([maskedPaths, readonlyPaths]).toEqual([[], ["/a"]]);
  });

  test("opens everything for a privileged container", () => {
    const { linux, mounts, process } = buildSpec({ ...plain, privileged: true });
    expect([linux.maskedPaths, linux.readonlyPaths]).toEqual([[], []]);
    expect(linux.devices).toEqual(host.devices);
    expect(linux.resources?.devices).toEqual([{ allow: true, access: "rwm" }]);
    expect(process.capabilities?.effective).toEqual(host.capabilities);
    expect(mountAt(mounts, "/sys")?.options).not.toContain("ro");
    expect(mountAt(mounts, "/sys/fs/cgroup")?.options).not.toContain("ro");
  });
});

describe("namespaces", () => {
  test("are of the container's own by default", () => {
    expect(buildSpec(plain).linux.namespaces.map(({ type }) => type)).toEqual([
      ...["mount", "network", "uts", "pid", "ipc", "cgroup"],
    ]);
  });

  test("are named by path or left to the host", () => {
    const namespaces = {
      ...plain.namespaces,
      network: { kind: "path", path: "/run/netns/x" },
      pid: { kind: "host" },
    } as const;
    const listed = buildSpec({ ...plain, namespaces }).linux.namespaces;
    expect(listed).toContainEqual({ type: "network", path: "/run/netns/x" });
    expect(listed.map(({ type }) => type)).not.toContain("pid");
  });

  test("of the host's name leave the name alone", () => {
    const namespaces = { ...plain.namespaces, uts: { kind: "host" } } as const;
    expect(buildSpec(plain).hostname).toBe("box");
    expect(buildSpec({ ...plain, namespaces })).not.toHaveProperty("hostname");
  });

  test("of the network come with two sysctls, unless it is the host's or the user set them", () => {
    expect(buildSpec(plain).linux.sysctl).toEqual({
      "net.ipv4.ip_unprivileged_port_start": "0",
      "net.ipv4.ping_group_range": "0 2147483647",
    });
    const sysctls = { "net.ipv4.ip_unprivileged_port_start": "1024" };
    expect(buildSpec({ ...plain, sysctls }).linux.sysctl).toMatchObject(sysctls);
    const namespaces = { ...plain.namespaces, network: { kind: "host" } } as const;
    expect(buildSpec({ ...plain, namespaces }).linux.sysctl).toEqual({});
  });

  test("of users map ids and leave the ping range out", () => {
    const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const namespaces = { ...plain.namespaces, user: { uids: map, gids: map } };
    const { linux, mounts } = buildSpec({ ...plain, namespaces });
    expect(linux.uidMappings).toEqual(map);
    expect(linux.namespaces).toContainEqual({ type: "user" });
    expect(Object.keys(linux.sysctl ?? {})).toEqual(["net.ipv4.ip_unprivileged_port_start"]);
    expect(mountAt(mounts, "/sys/fs/cgroup")?.options).not.toContain("ro");
  });
});

describe("mounts", () => {
  test("are Docker's, shared memory of the given size among them", () => {
    const { mounts } = buildSpec(plain);
    expect(mounts.map(({ destination }) => destination)).toEqual([
      ...["/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm"],
    ]);
    expect(mountAt(mounts, "/dev/shm")?.options).toContain("size=67108864");
    expect(mountAt(mounts, "/sys")?.options).toContain("ro");
  });

  test("of the user replace those of the same place and come parents first", () => {
    const given = [
      bindMount({ source: "/h", target: "/a/b/" }),
      tmpfsMount("/a"),
      bindMount({ source: "/s", target: "/dev/shm" }),
    ];
    const { mounts } = buildSpec({ ...plain, mounts: given });
    expect(mounts.slice(-3).map(({ destination }) => destination)).toEqual(["/a", "/a/b/", "/dev/shm"]);
    expect(mounts.filter(({ destination }) => destination === "/dev/shm")).toHaveLength(1);
  });

  test("of the engine's files are read-only where the root is, and not where the user brings his own", () => {
    const files = [
      { source: "/e/hosts", target: "/etc/hosts" },
      { source: "/e/resolv", target: "/etc/resolv.conf" },
    ];
    const mounts = [bindMount({ source: "/u", target: "/etc/resolv.conf" })];
    const spec = buildSpec({ ...plain, rootfs: { readonly: true }, files, mounts });
    expect(mountAt(spec.mounts, "/etc/hosts")?.options).toEqual(["rbind", "rprivate", "ro"]);
    expect(mountAt(spec.mounts, "/etc/resolv.conf")).toEqual(mounts[0]);
    expect(mountAt(spec.mounts, "/dev/shm")?.options).not.toContain("ro");
    expect(mountAt(buildSpec({ ...plain, files }).mounts, "/etc/hosts")?.options).not.toContain("ro");
  });

  test("that are shared make the root shared", () => {
    const propagation = (name: string) =>
      buildSpec({ ...plain, mounts: [bindMount({ source: "/a", target: "/a", propagation: name })] }).linux
        .rootfsPropagation;
    expect(["rprivate", "rslave", "rshared"].map(propagation)).toEqual([undefined, "rslave", "shared"]);
  });

  test("of memory take options that contradict the defaults in their place", () => {
    expect(tmpfsMount("/t", ["exec", "size=1m"]).options).toEqual(["nosuid", "nodev", "exec", "size=1m"]);
  });

  test("of shared memory follow the ipc mode", () => {
    const shm = (choice: typeof plain.shm) =>
      mountAt(buildSpec({ ...plain, shm: choice }).mounts, "/dev/shm");
    expect(shm({ kind: "bind", source: "/dev/shm" })?.source).toBe("/dev/shm");
    expect(shm({ kind: "none" })).toBeUndefined();
  });
});

describe("the process", () => {
  const process = (changes: Partial<typeof plain.process>) =>
    buildSpec({ ...plain, process: { ...plain.process, ...changes } }).process;

  test("has Docker's environment under its own", () => {
    const { env } = process({ env: ["HOSTNAME=other", "A=b=c", "PATH"], terminal: true });
    expect(env).toEqual(["HOSTNAME=other", "TERM=xterm", "A=b=c"]);
    expect(process({}).env).toEqual([
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOSTNAME=box",
    ]);
  });

  test("starts in the root folder unless told otherwise", () => {
    expect([process({}).cwd, process({ cwd: "/w" }).cwd, process({ cwd: "" }).cwd]).toEqual(["/", "/w", "/"]);
  });

  test("runs under an init where asked, but not in another pid namespace", () => {
    const spec = buildSpec({ ...plain, initPath: "/usr/bin/docker-init" });
    expect(spec.process.args).toEqual(["/sbin/docker-init", "--", "sh"]);
    expect(mountAt(spec.mounts, "/sbin/docker-init")?.options).toContain("ro");
    const namespaces = { ...plain.namespaces, pid: { kind: "host" } } as const;
    const other = buildSpec({ ...plain, namespaces, initPath: "/usr/bin/docker-init" });
    expect(other.process.args).toEqual(["sh"]);
    expect(mountAt(other.mounts, "/sbin/docker-init")).toBeUndefined();
  });

  test("has limits no higher than the daemon's own", () => {
    const { rlimits } = buildSpec({
      ...plain,
      ulimits: [
        { name: "nofile", soft: 1_048_576, hard: 1_048_576 },
        { name: "nproc", soft: 5, hard: -1 },
      ],
    }).process;
    expect(rlimits).toEqual([
      { type: "RLIMIT_NOFILE", soft: 20_000, hard: 20_000 },
      { type: "RLIMIT_NPROC", soft: 5, hard: 18446744073709551615n },
    ]);
    expect(() => buildSpec({ ...plain, ulimits: [{ name: "nope", soft: 1, hard: 1 }] })).toThrow(
      "invalid ulimit type: nope",
    );
  });

  test("cannot be made less killable than the daemon may make it", () => {
    const capabilities = host.capabilities.filter((name) => name !== "CAP_SYS_RESOURCE");
    const weak = { ...plain, host: { ...host, capabilities } };
    const adjusted = (input: typeof plain, oomScoreAdjust: number) =>
      buildSpec({ ...input, process: { ...plain.process, oomScoreAdjust } }).process.oomScoreAdj;
    expect(adjusted(plain, -500)).toBe(-500);
    expect(adjusted(weak, 500)).toBe(500);
    expect(() => adjusted(weak, -500)).toThrow("the daemon lacks CAP_SYS_RESOURCE");
    expect(() => adjusted(plain, 2000)).toThrow("range for oom score adj is [-1000, 1000]");
  });
});

test("the cgroup is named as the driver wants it", () => {
  const path = (cgroup: typeof plain.cgroup) => buildSpec({ ...plain, cgroup }).linux.cgroupsPath;
  expect(path({ driver: "cgroupfs" })).toBe("/docker/c0ffee");
  expect(path({ driver: "cgroupfs", parent: "my/group/" })).toBe("/my/group/c0ffee");
  expect(path({ driver: "systemd" })).toBe("system.slice:docker:c0ffee");
  expect(path({ driver: "systemd", parent: "my.slice" })).toBe("my.slice:docker:c0ffee");
});

describe("an exec", () => {
  const container = buildSpec({
    ...plain,
    process: { ...plain.process, env: ["A=1"], cwd: "/w", noNewPrivileges: true, oomScoreAdjust: 5 },
  }).process;
  const exec = { args: ["id"], env: ["A=2"], terminal: false, privileged: false };

  test("inherits the container's environment, folder, user, limits and capabilities", () => {
    expect(buildExecProcess(container, exec, host)).toMatchObject({
      args: ["id"],
      env: expect.arrayContaining(["A=2", "HOSTNAME=box"]),
      cwd: "/w",
      noNewPrivileges: true,
      capabilities: container.capabilities,
    });
    expect(buildExecProcess(container, exec, host)).not.toHaveProperty("oomScoreAdj");
  });

  test("as another user has no capability in effect, and with privilege all of them", () => {
    const user = { uid: 5, gid: 5 };
    expect(buildExecProcess(container, { ...exec, user }, host).capabilities).toEqual({
      bounding: container.capabilities?.bounding,
    });
    expect(buildExecProcess(container, { ...exec, privileged: true }, host).capabilities?.effective).toEqual(
      host.capabilities,
    );
  });

  test("with a terminal is told its kind", () => {
    expect(buildExecProcess(container, { ...exec, terminal: true }, host).env).toContain("TERM=xterm");
  });
});
