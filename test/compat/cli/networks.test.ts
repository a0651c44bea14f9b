// Commands on networks through Docker's client and ours on one dockerd: stdout, stderr and exit code are the same.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { everyStep } from "../../lab/steps.ts";
import { DockerDaemon, missingPeers, type Ran } from "./docker-daemon.ts";
import { BundledCli } from "./tsdocker.ts";

const missing = await missingPeers({ daemon: true });
if (missing) console.warn(`skipped: ${missing}`);

let daemon: DockerDaemon;
let ours: BundledCli;
/** dockerd takes 15 s to be sure that there is none: asked at once and for both. */
let unknownDriver: Promise<[Ran, Ran]>;

beforeAll(async () => {
  if (missing) return;
  [daemon, ours] = await Promise.all([DockerDaemon.start(), BundledCli.build()]);
  const words = ["network", "create", "-d", "nope", "n4"];
  unknownDriver = Promise.all([daemon.docker(...words), ours.run(words, daemon.env)]);
  // one label each: Docker's client prints several in any order
  await daemon.docker("network", "create", "--label", "a=b", "--internal", "n1");
  await daemon.docker("network", "create", "--label", "c", "--subnet", "192.0.2.0/24", "-o", "k=v", "n2");
  await daemon.docker("network", "create", "--config-only", "--label", "a=x", "cfg");
  await daemon.docker("network", "create", "--config-from", "cfg", "n10");
  await daemon.docker("run", "-d", "--name", "c1", "--network", "n2", "busybox", "sleep", "10000");
});

afterAll(() =>
  everyStep(
    async () => await daemon?.[Symbol.asyncDispose](),
    async () => await ours?.[Symbol.asyncDispose](),
  ),
);

const both = async (...args: string[]): Promise<[Ran, Ran]> => [
  await daemon.docker(...args),
  await ours.run(args, daemon.env),
];

async function compare(...args: string[]): Promise<void> {
  const [theirs, mine] = await both(...args);
  expect(mine).toEqual(theirs);
}

describe.skipIf(missing !== undefined)("docker network ls", () => {
  it.each([
    [[]],
    [["-q"]],
    [["--no-trunc"]],
    [["-q", "--no-trunc"]],
    [["x"]],
    [["--nope"]],
    [["-f", "driver=bridge"]],
    [["-f", "driver=bridge", "-f", "driver=host"]],
    [["-f", "type=custom"]],
    [["-f", "type=builtin"]],
    [["-f", "type=nope"]],
    [["-f", "dangling=true"]],
    [["-f", "dangling=false"]],
    [["-f", "dangling=nope"]],
    [["-f", "label=a"]],
    [["-f", "label=a=b"]],
    [["-f", "label=a", "-f", "label=c"]],
    [["-f", "name=n1"]],
    [["-f", "name=n1", "-f", "driver=null"]],
    [["-f", "id=zz"]],
    [["-f", "scope=local"]],
    [["-f", "scope=swarm"]],
    [["-f", "scope=nope"]],
    [["-f", "nope=x"]],
    [["-f", "nope"]],
    [["--format", "json"]],
    [["--format", "raw"]],
    [["-q", "--format", "raw"]],
    [["--format", "table"]],
    [["-q", "--format", "json"]],
    [
      [
        "--format",
        "{{.ID}} {{.Name}} {{.Driver}} {{.Scope}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.CreatedAt}}",
      ],
    ],
    [["--format", 'table {{.Name}}\t{{.Labels}}\t{{.Label "a"}}\t{{.IPv6}}\t{{.Internal}}\t{{.CreatedAt}}']],
    [["--format", "{{json .}}"]],
    [["--format", "{{.Foo}}"]],
    [["--no-trunc", "--format", "{{.ID}}"]],
  ])("%j", async (flags) => {
    await compare("network", "ls", ...flags);
  });
});

describe.skipIf(missing !== undefined)("docker network inspect", () => {
  it.each([
    [["n1"]],
    [["n1", "n2", "cfg", "n10"]],
    [["-v", "n2"]],
    [["nope"]],
    [["n1", "nope", "n2"]],
    [[]],
    [["-f", "{{.Name}} {{.Internal}} {{.Labels}} {{.Options}} {{.ConfigFrom.Network}}", "n1", "n2", "n10"]],
    [["-f", "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}", "n2"]],
    [["-f", "{{range $id, $c := .Containers}}{{$c.Name}} {{$c.IPv4Address}}{{end}}", "n2"]],
    [["-f", "json", "n1"]],
    [["-f", "{{.Foo}}", "n1"]],
    [["-f", "{{", "n1"]],
  ])("%j", async (args) => {
    await compare("network", "inspect", ...args);
  });
});

describe.skipIf(missing !== undefined)("docker network", () => {
  it.each([
    [["create"]],
    [["create", "a", "b"]],
    [["create", "n1"]],
    [["create", "--scope", "nope", "n3"]],
    [["create", "--scope", "swarm", "n3"]],
    [["create", "--ingress", "n3"]],
    [["create", "--config-from", "nope", "n3"]],
    [["create", "--config-from", "cfg", "--subnet", "198.51.100.0/24", "n3"]],
    [["create", "--config-from", "cfg", "--label", "x=y", "n3"]],
    [["create", "--config-only", "--internal", "n3"]],
    [["create", "--config-only", "--config-from", "cfg", "n3"]],
    [["create", "--ipv6=x", "n3"]],
    [["create", "--subnet", "nonsense", "n3"]],
    [["create", "--subnet", "192.0.2.0/24", "n3"]],
    [["create", "--subnet", "198.51.100.0/24", "--ip-range", "203.0.113.0/25", "n3"]],
    [["create", "--subnet", "198.51.100.0/24", "--aux-address", "a=203.0.113.1", "n3"]],
    [
      [
        "create",
        "--subnet",
        "198.51.100.0/24",
        "--gateway",
        "198.51.100.1",
        "--gateway",
        "198.51.100.2",
        "n3",
      ],
    ],
    [["create", "--aux-address", "a", "n3"]],
    [["create", "--opt", "n3"]],
    [["connect", "n1"]],
    [["connect", "n1", "nope"]],
    [["connect", "nope", "c1"]],
    [["connect", "n2", "c1"]],
    [["connect", "--ip", "203.0.113.9", "n1", "c1"]],
    [["connect", "--ip", "nonsense", "n1", "c1"]],
    [["connect", "--gw-priority", "x", "n1", "c1"]],
    [["connect", "cfg", "c1"]],
    [["disconnect", "n1", "c1"]],
    [["disconnect", "n1", "nope"]],
    [["disconnect", "nope", "c1"]],
    [["rm"]],
    [["rm", "n2"]],
    [["rm", "cfg"]],
    [["rm", "nope", "n2"]],
    [["rm", "-f", "nope", "n2"]],
    [["prune", "x"]],
    [["prune"]],
    [["prune", "-f", "--filter", "nope=x"]],
    [["prune", "-f", "--filter", "until=nonsense"]],
    [["prune", "-f", "--filter", "until=1h", "--filter", "until=2h"]],
    [["prune", "-f", "--filter", "label=no-such-label"]],
    [["prune", "-f", "--filter", "until=2020-01-01"]],
    [["nope"]],
  ])("%j", async (args) => {
    await compare("network", ...args);
  });

  it("create says the same of a driver that is not there", async () => {
    const [theirs, mine] = await unknownDriver;
    expect(mine).toEqual(theirs);
  });

  it("prune says what went, and keeps what is used, filtered out or a configuration", async () => {
    const outputs = [];
    for (const run of [daemon.docker.bind(daemon), (...args: string[]) => ours.run(args, daemon.env)]) {
      for (const name of ["p1", "p2"])
        await daemon.docker("network", "create", "--label", `p=${name}`, "--label", "prune", name);
      outputs.push([
        await run("network", "prune", "-f", "--filter", "label=prune", "--filter", "label!=p=p2"),
        await run("network", "ls", "--format", "{{.Name}}"),
        await run("network", "prune", "-f", "--filter", "label=prune"),
        await run("network", "prune", "-f", "--filter", "label=prune"),
      ]);
    }
    expect(outputs[1]).toEqual(outputs[0]);
  });

  it("create and rm print what they made and removed", async () => {
    const flags = ["--ipv4", "--scope", "local", "--attachable", "--ipam-driver", "default", "-o", "a=b"];
    for (const run of [daemon.docker.bind(daemon), (...args: string[]) => ours.run(args, daemon.env)]) {
      const made = await run("network", "create", ...flags, "made");
      expect(made).toMatchObject({
        stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/),
        stderr: "",
        exitCode: 0,
      });
      expect(await run("network", "rm", "made")).toEqual({ stdout: "made\n", stderr: "", exitCode: 0 });
    }
  });

  it("events of networks read the same", async () => {
    const now = Math.floor(Date.now() / 1000);
    // dockerd ends at the second: one that is whole holds the same for both
    const window = [
      "events",
      "--since",
      `${now - 3600}`,
      "--until",
      `${now + 1}`,
      "--filter",
      "type=network",
    ];
    await compare(...window);
    await compare(...window, "--filter", "event=connect");
    await compare(...window, "--filter", "network=n1", "--format", "{{.Action}} {{.Actor.Attributes.type}}");
    await compare(...window, "--filter", "network=n1", "--format", "json");
  });
});
