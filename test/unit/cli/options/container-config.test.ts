// The flags of `run` and `create` to the body of the request.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseArgs } from "../../../../src/cli/flags/parse.ts";
import { type CreateBody, containerConfig } from "../../../../src/cli/options/container-config.ts";
import { containerFlags } from "../../../../src/cli/options/run-flags.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), `cli-config-${process.pid}-`));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

function create(...argv: string[]): CreateBody {
  const { flags, args } = parseArgs(containerFlags, [...argv, "img", "cmd", "-x"], { interspersed: false });
  return containerConfig(flags, args, []);
}

const failure = (...argv: string[]) => {
  try {
    create(...argv);
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
};

describe("the flags of run", () => {
  it("give the words after the image to the container", () => {
    const { config } = create();
    expect(config).toMatchObject({
      Image: "img",
      Cmd: ["cmd", "-x"],
      AttachStdout: true,
      AttachStdin: false,
    });
  });

  it("make an interactive terminal of -it", () => {
    expect(create("-it").config).toMatchObject({
      Tty: true,
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
    });
  });

  it("attach only what -a names", () => {
    const { config } = create("-a", "STDERR");
    expect(config).toMatchObject({ AttachStdin: false, AttachStdout: false, AttachStderr: true });
  });

  it("reset the entrypoint when it is given empty", () => {
    expect(create("--entrypoint=").config.Entrypoint).toEqual([""]);
    expect(create("--entrypoint", "/e").config.Entrypoint).toEqual(["/e"]);
    expect(create().config.Entrypoint).toBeNull();
  });

  it("read variables from files first, then from -e", () => {
    const env = file("env", "# comment\nA=file\n  B=2\nHOME\nNOT_SET_ANYWHERE\n");
    expect(create("--env-file", env, "-e", "A=flag").config.Env).toEqual([
      "A=file",
      "B=2",
      `HOME=${process.env.HOME}`,
      "A=flag",
    ]);
  });

  it("name the line of a bad env file", () => {
    const bad = file("bad", "a b=1\n");
    expect(failure("--env-file", bad)).toBe(`invalid env file (${bad}): variable 'a b' contains whitespaces`);
    expect(failure("--env-file", "/nowhere/env")).toBe("open /nowhere/env: no such file or directory");
  });

  it("tell binds from anonymous volumes", () => {
    const { config, hostConfig } = create("-v", "/a:/b:ro", "-v", "vol:/c", "-v", "/anon", "-v", "/a:/b:ro");
    expect(hostConfig.Binds).toEqual(["/a:/b:ro", "vol:/c"]);
    expect(config.Volumes).toEqual({ "/anon": {} });
  });

  it("make a relative source of a bind absolute", () => {
    expect(create("-v", "./rel:/d").hostConfig.Binds).toEqual([`${process.cwd()}/rel:/d`]);
  });

  it("read resources in their units", () => {
    const { hostConfig } = create(
      "-m",
      "64m",
      "--memory-swap",
      "-1",
      "--cpus",
      "1.5",
      "--shm-size",
      "1gb",
      "--pids-limit",
      "7",
    );
    expect(hostConfig).toMatchObject({
      Memory: 64 * 1024 ** 2,
      MemorySwap: -1,
      NanoCpus: 1.5e9,
      ShmSize: 1024 ** 3,
      PidsLimit: 7,
      MemorySwappiness: -1,
    });
  });

  it("read a health check in nanoseconds", () => {
    const { config } = create("--health-cmd", "true", "--health-interval", "5s", "--health-retries", "3");
    expect(config.Healthcheck).toEqual({ Test: ["CMD-SHELL", "true"], Interval: 5e9, Retries: 3 });
    expect(create("--no-healthcheck").config.Healthcheck).toEqual({ Test: ["NONE"] });
  });

  it("send a seccomp profile whole and compact", () => {
    const profile = file("seccomp.json", '{ "a": [1, 2] }');
    const { hostConfig } = create(
      "--security-opt",
      `seccomp=${profile}`,
      "--security-opt",
      "systempaths=unconfined",
    );
    expect(hostConfig).toMatchObject({
      SecurityOpt: ['seccomp={"a":[1,2]}'],
      MaskedPaths: [],
      ReadonlyPaths: [],
    });
  });

  it("give capabilities their full names, each once", () => {
    expect(
      create("--cap-add", "net_admin", "--cap-add", "CAP_NET_ADMIN", "--cap-drop", "all").hostConfig,
    ).toMatchObject({
      CapAdd: ["CAP_NET_ADMIN"],
      CapDrop: ["ALL"],
    });
  });

  it("send --init only when it is said", () => {
    expect(create("--init=false").hostConfig.Init).toBe(false);
    expect("Init" in create().hostConfig).toBe(false);
  });

  it.each([
    [["--rm", "--restart", "always"], "conflicting options: cannot specify both --restart and --rm"],
    [["--restart", ":3"], "invalid restart policy format: no policy provided before colon"],
    [["--restart", "on-failure:x"], "invalid restart policy format: maximum retry count must be an integer"],
    [["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts with --health-* options"],
    [["--health-interval", "-1s"], "--health-interval cannot be negative"],
    [["--memory-swappiness", "101"], "invalid value: 101. Valid memory swappiness range is 0-100"],
    [["--pid", "x"], "--pid: invalid PID mode"],
    [["--cgroupns", "x"], "--cgroupns: invalid CGROUP mode"],
    [["--log-driver", "none", "--log-opt", "a=b"], "invalid logging opts for driver none"],
    [["--storage-opt", "x"], "invalid storage option"],
    [["--security-opt", "foo"], 'Invalid --security-opt: "foo"'],
    [["--device", "a:b:c:d"], "bad format for path: a:b:c:d"],
    [["--device", "/a:/b:zz"], "bad mode specified: zz"],
    [["-v", "a::b"], "invalid spec: a::b: empty section between colons"],
    [["--mac-address", "zz"], "zz is not a valid mac address"],
    [["--sysctl", "vm.x=1"], `invalid argument "vm.x=1" for "--sysctl" flag: sysctl 'vm.x=1' is not allowed`],
    [
      ["--ulimit", "nofile=2:1"],
      'invalid argument "nofile=2:1" for "--ulimit" flag: ulimit soft limit must be less than or equal to hard limit: 2 > 1',
    ],
    [
      ["--gpus", "all"],
      'invalid argument "all" for "--gpus" flag: GPU devices are not supported by tsdocker',
    ],
    [
      ["--add-host", "x:y"],
      'invalid argument "x:y" for "--add-host" flag: invalid IP address in add-host: "y"',
    ],
    [["--dns", "x"], 'invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x'],
  ])("%j is refused: %s", (argv, why) => {
    expect(failure(...argv)).toBe(why);
  });
});

describe("the networks of run", () => {
  const networks = (...argv: string[]) => {
    const body = create(...argv);
    return [body.hostConfig.NetworkMode, body.networkingConfig.EndpointsConfig];
  };

  it("are the default one when none is named", () => {
    expect(networks()).toEqual(["default", { default: {} }]);
  });

  it("go by mode alone when there is one without settings", () => {
    expect(networks("--network", "x1")).toEqual(["x1", {}]);
    expect(networks("--net", "container:abc")).toEqual(["container:abc", {}]);
  });

  it("take the settings of flags for the first, and of their own form for each", () => {
    const [mode, endpoints] = networks(
      "--network",
      "name=x1,alias=a,driver-opt=k=v,gw-priority=5",
      "--network",
      "name=x2,ip6=2001:db8::2,mac-address=02:42:ac:11:00:02",
      "--ip",
      "10.0.0.2",
    );
    expect(mode).toBe("x1");
    expect(endpoints).toEqual({
      x1: { Aliases: ["a"], DriverOpts: { k: "v" }, GwPriority: 5, IPAMConfig: { IPv4Address: "10.0.0.2" } },
      x2: { MacAddress: "02:42:ac:11:00:02", IPAMConfig: { IPv6Address: "2001:db8::2" } },
    });
  });

  it("make --link an alias on a network of the user's, and a legacy link on the default one", () => {
    expect(networks("--network", "x1", "--link", "a:b")).toEqual(["x1", { x1: { Links: ["a:b"] } }]);
    expect(networks("--link", "a:b")).toEqual(["default", { default: {} }]);
    expect(create("--link", "a:b").hostConfig.Links).toEqual(["a:b"]);
  });

  it.each([
    [["--network", "x1", "--network", "x1", "--ip", "10.0.0.2"], 'network "x1" is specified multiple times'],
    [
      ["--network", "host", "--network", "x1"],
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    ],
    [
      ["--network", "name=x1,alias=a", "--network-alias", "b"],
      "conflicting options: cannot specify both --network-alias and per-network alias",
    ],
    [
      ["--network", "name=x1,ip=10.0.0.2", "--ip", "10.0.0.3"],
      "conflicting options: cannot specify both --ip and per-network IPv4 address",
    ],
    [["--network-alias", "x"], "network-scoped aliases are only supported for user-defined networks"],
    [
      ["--network", "alias=x"],
      'invalid argument "alias=x" for "--network" flag: network name/id is not specified',
    ],
    [
      ["--network", "name=x1,foo=bar"],
      'invalid argument "name=x1,foo=bar" for "--network" flag: invalid field key foo',
    ],
  ])("%j are refused: %s", (argv, why) => {
    expect(failure(...argv)).toBe(why);
  });
});

describe("--mount", () => {
  it("reads all kinds", () => {
    const { hostConfig } = create(
      "--mount",
      "type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave,bind-recursive=disabled",
      "--mount",
      "source=v,target=/v,volume-nocopy,volume-label=a=b,volume-driver=d,volume-opt=k=v",
      "--mount",
      "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777",
    );
    expect(hostConfig.Mounts).toEqual([
      {
        Type: "bind",
        Source: "/a",
        Target: "/b",
        ReadOnly: true,
        BindOptions: { Propagation: "rslave", NonRecursive: true },
      },
      {
        Type: "volume",
        Source: "v",
        Target: "/v",
        VolumeOptions: { NoCopy: true, Labels: { a: "b" }, DriverConfig: { Name: "d", Options: { k: "v" } } },
      },
      { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1024 ** 2, Mode: 0o1777 } },
    ]);
  });

  it.each([
    ["foo", "invalid field 'foo' must be a key=value pair"],
    ["type=bind,foo=bar", "unexpected key 'foo' in 'foo=bar'"],
    ["type=bind", "target is required"],
    ["type=tmpfs,dst=/a,volume-nocopy", "cannot mix 'volume-*' options with mount type 'tmpfs'"],
    ["type=tmpfs,dst=/a,tmpfs-size=x", "invalid value for tmpfs-size: x"],
    ["dst=/a,readonly=x", "invalid value for readonly: x"],
  ])("%s is refused: %s", (mount, why) => {
    expect(failure("--mount", mount)).toBe(
      `invalid argument ${JSON.stringify(mount)} for "--mount" flag: ${why}`,
    );
  });
});
