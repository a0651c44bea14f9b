// The same commands through Docker's client and ours on one dockerd: stdout, stderr and exit code are the same.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { everyStep } from "../../lab/steps.ts";
import { DockerDaemon, missingPeers, type Ran } from "./docker-daemon.ts";
import { BundledCli } from "./tsdocker.ts";

const missing = await missingPeers({ daemon: true });
if (missing) console.warn(`skipped: ${missing}`);

let daemon: DockerDaemon;
let ours: BundledCli;

beforeAll(async () => {
  if (missing) return;
  [daemon, ours] = await Promise.all([DockerDaemon.start(), BundledCli.build()]);
  await daemon.docker("volume", "create", "vol1", "--label", "a=b");
  await daemon.docker(
    "run",
    "-d",
    "--name",
    "c1",
    "--network",
    "none",
    "-l",
    "b=2",
    "-l",
    "a=1",
    "-v",
    "vol1:/data",
    "busybox",
    "sleep",
    "10000",
  );
  await daemon.docker(
    "run",
    "-dt",
    "--name",
    "c2",
    "--network",
    "host",
    "busybox",
    "sh",
    "-c",
    "echo hello; echo bad >&2; sleep 10000",
  );
  await daemon.docker(
    "run",
    "-d",
    "--name",
    "c3",
    "--network",
    "none",
    "busybox",
    "sh",
    "-c",
    "echo out; echo bad >&2; exit 3",
  );
  await daemon.docker("wait", "c3");
  await daemon.docker(
    "create",
    "--name",
    "c4",
    "busybox",
    "sh",
    "-c",
    'echo "a quoted $PATH <tag> & more text"',
  );
});

afterAll(() =>
  everyStep(
    async () => await daemon?.[Symbol.asyncDispose](),
    async () => await ours?.[Symbol.asyncDispose](),
  ),
);

/** Ages grow between the two calls, and with them the widths of their columns (which unit tests hold). */
function withoutAges(text: string): string {
  const even = /\bCONTAINER ID\b/.test(text) ? text.replaceAll(/ {2,}/g, "  ") : text;
  return even
    .replaceAll(/(Less than a second|About an? (minute|hour)|\d+ (second|minute)s?)( ago)?/g, "<age>")
    .replaceAll(/(<age>|CREATED|STATUS) +/g, "$1 ");
}

async function compare(...args: string[]): Promise<void> {
  const theirs = daemon.docker(...args);
  // dockerd looks at its disk for one client at a time, and refuses the others
  if (args.join(" ").startsWith("system df")) await theirs;
  expectSame(...(await Promise.all([theirs, ours.run(args, daemon.env)])));
}

function expectSame(theirs: Ran, mine: Ran): void {
  const shown = ({ stdout, stderr, exitCode }: typeof theirs) => ({
    stdout: withoutAges(stdout),
    stderr: withoutAges(stderr),
    exitCode,
  });
  expect(shown(mine)).toEqual(shown(theirs));
}

const containerFields =
  "{{.ID}} {{.Names}} {{.Image}} {{.Command}} {{.Ports}} {{.State}} {{.Labels}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}} {{.CreatedAt}} {{.Size}} {{.Platform}}";

describe.skipIf(missing !== undefined)("lists are Docker's, byte for byte", () => {
  it.each([
    ["ps"],
    ["ps -a"],
    ["ps -aq"],
    ["ps -a --no-trunc"],
    ["ps -l"],
    ["ps -n 2"],
    ["ps -as"],
    ["ps -a --filter name=c1"],
    ["ps -a --filter status=exited"],
    ["ps --filter foo"],
    ["ps --filter foo=bar"],
    ["ps x"],
    ["ps --format raw"],
    ["container ls -a"],
    ["images"],
    ["images -q"],
    ["images --no-trunc"],
    ["images --digests"],
    ["images busybox"],
    ["images nope"],
    ["images ls"],
    ["image ls"],
    ["history busybox"],
    ["history --no-trunc busybox"],
    ["history -H=false busybox"],
    ["history -q busybox"],
    ["network ls"],
    ["network ls -q --no-trunc"],
    ["network ls -f driver=host"],
    ["network ls --format json"],
    ["network ls --format raw"],
    ["volume ls"],
    ["volume ls -q"],
    ["volume ls --format json"],
    ["top c1"],
    ["top c1 -o pid"],
    ["top c4"],
    ["port c1"],
    ["system df"],
    ["system df -v"],
    ["system df --format json"],
    ["logs c2"],
    ["logs c3"],
    ["logs -t c3"],
    ["logs -n 1 c3"],
    ["logs --since 1h c3"],
    ["logs --since x c3"],
    ["logs nope"],
    ["diff c3"],
    ["events --since 1h --until 0s --filter container=c4"],
    ["events --since 1h --until 0s --filter container=c4 --format json"],
  ])("docker %s", async (line) => {
    await compare(...line.split(" "));
  });

  it.each([
    [containerFields],
    ["json"],
    ['table {{.Names}}\t{{.Image}}\t{{.Label "a"}}\t{{upper .State}}'],
    [
      '{{json .Names}}|{{printf "%-20s|" .Image}}|{{len .Names}}|{{truncate .ID 3}}|{{pad .State 2 3}}|{{title .State}}',
    ],
    [
      '{{join (split .Image "s") "-"}} {{if eq .State "running"}}R{{else}}-{{end}}{{with .Labels}}[{{.}}]{{end}}',
    ],
    ["{{.Foo}}"],
    ["{{.ID"],
    ["{{slice .ID 0 99}}"],
    ["{{foo .ID}}"],
    ["{{end}}"],
    ["{{if .ID}}"],
    ["{{.ID.Foo}}"],
  ])("docker ps -a --format %s", async (format) => {
    await compare("ps", "-a", "--format", format);
  });
});

describe.skipIf(missing !== undefined)("inspection is Docker's, byte for byte", () => {
  it.each([
    [["inspect", "c1"]],
    [["inspect", "c1", "none", "busybox", "nope"]],
    [["inspect", "nope"]],
    [["inspect", "-s", "c1"]],
    [["inspect", "--type", "network", "none"]],
    [["inspect", "--type", "foo", "none"]],
    [["inspect", "--type", "image", "c1"]],
    [["container", "inspect", "nope"]],
    [["image", "inspect", "busybox"]],
    [["image", "inspect", "nope"]],
    [["network", "inspect", "none", "host"]],
    [["network", "inspect", "nope", "none"]],
    [["network", "inspect", "-f", "json", "none"]],
    [["network", "inspect", "-f", "{{json .IPAM}} {{.Foo}}", "none"]],
    [["network", "inspect", "-f", "{{.IPAM.Driver}} {{json .Containers}}", "none"]],
    [["volume", "inspect", "nope"]],
    [
      [
        "inspect",
        "-f",
        "{{.State.Status}} {{.State.Pid}} {{json .Config.Labels}} {{.Config.Cmd}} {{.Config.Env}}",
        "c1",
        "c2",
      ],
    ],
    [
      [
        "inspect",
        "-f",
        "{{.HostConfig.Binds}} {{.HostConfig.CapAdd}} {{.State.Health}} {{.HostConfig.PortBindings}}",
        "c1",
        "c4",
      ],
    ],
    [
      [
        "inspect",
        "-f",
        '{{index .Config.Labels "a"}} {{index .Config.Labels "no"}}|{{.Config.Labels.no}}|{{len .Mounts}}',
        "c1",
      ],
    ],
    [
      [
        "inspect",
        "-f",
        "{{range .Mounts}}{{.Type}}:{{.Destination}} {{.RW}}{{end}}{{if .State.Health}}h{{end}}",
        "c1",
      ],
    ],
    [
      [
        "inspect",
        "-f",
        "{{range $n, $e := .NetworkSettings.Networks}}{{$n}}={{$e.NetworkID}} {{end}}",
        "c1",
        "c2",
      ],
    ],
    [
      [
        "version",
        "-f",
        "{{.Server.Version}} {{.Server.APIVersion}} {{range .Server.Components}}{{.Name}};{{end}}",
      ],
    ],
    [["version", "-f", "{{.Foo}}"]],
    [["info", "-f", "{{.ServerVersion}} {{.Swarm.LocalNodeState}} {{.Plugins.Network}} {{.DriverStatus}}"]],
    [["info", "-f", "{{.Foo}}"]],
  ])("docker %j", async (args) => {
    await compare(...args);
  });
});

describe.skipIf(missing !== undefined)("commands end as Docker's do", () => {
  it.each([
    [["run", "--rm", "--network", "none", "busybox", "sh", "-c", "echo out; echo bad >&2; exit 7"]],
    [["run", "--rm", "--network", "none", "busybox", "nope"]],
    [["run", "--rm", "--network", "none", "busybox", "/etc"]],
    [["run", "--rm", "--network", "nope", "busybox", "true"]],
    [["run", "--rm", "-w", "x", "busybox", "true"]],
    [["run", "--pull", "never", "nosuch", "true"]],
    [["run", "-it", "busybox"]],
    [["run", "--name", "c1", "busybox"]],
    [["exec", "c1", "sh", "-c", "echo out; exit 4"]],
    [["exec", "c1", "nope"]],
    [["exec", "c4", "true"]],
    [["exec", "nope", "true"]],
    [["exec", "-it", "c1", "sh"]],
    [["exec", "-e", "A=B", "-w", "/tmp", "c1", "sh", "-c", "echo $A; pwd"]],
    [["attach", "c4"]],
    [["stop", "nope"]],
    [["rm", "c1"]],
    [["rm", "nope"]],
    [["rm", "-f", "nope"]],
    [["rename", "c1", "c2"]],
    [["unpause", "c1"]],
    [["kill", "c4"]],
    [["kill", "-s", "NOPE", "c1"]],
    [["network", "rm", "none"]],
    [["network", "rm", "nope"]],
    [["network", "rm", "-f", "nope"]],
    [["network", "create", "--subnet", "10.0.0.0/8", "--gateway", "192.0.2.1", "x1"]],
    [["network", "create", "host"]],
    [["network", "connect", "none", "c1"]],
    [["network", "disconnect", "none", "nope"]],
    [["volume", "rm", "vol1"]],
    [["rmi", "nope"]],
    [["tag", "nope", "x"]],
    [["tag", "busybox", "A"]],
    [["save", "nope"]],
    [["update", "c1"]],
    [["update", "--restart", "always", "nope"]],
    [["load", "-i", "/nowhere"]],
    [["stats", "--no-stream", "nope"]],
  ])("docker %j", async (args) => {
    await compare(...args);
  });

  it("save gives the same archive", async () => {
    const [theirs, mine] = [
      await daemon.docker("save", "busybox"),
      await ours.run(["save", "busybox"], daemon.env),
    ];
    expect(mine.stdout.length).toBe(theirs.stdout.length);
    expect(mine.stdout === theirs.stdout).toBe(true);
  });

  it("start -a: one after the other, or one client would see what the other has started", async () => {
    const theirs = await daemon.docker("start", "-a", "c3");
    expectSame(theirs, await ours.run(["start", "-a", "c3"], daemon.env));
  });
});
