// Other people's clients against a fake engine: what they send is understood and what they get back they can read.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { promisify } from "node:util";
import Docker from "dockerode";
import { expect, test } from "vitest";
import type { ContainerExit, ContainerSpec, Engine } from "../../../src/engine/types.ts";
import { notFound } from "../../../src/util/errors.ts";
import {
  c1Id,
  containerView,
  FakeProcess,
  fakeEngine,
  infoFacts,
  networkView,
  prefix,
  x1Id,
} from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

const cli = ["/usr/local/bin/docker", "/usr/bin/docker"].find((path) => existsSync(path));
const run = promisify(execFile);

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the docker CLI with a configuration folder of its own; `input` is its stdin. */
async function docker(api: ServedApi, words: readonly string[], input = ""): Promise<Ran> {
  const config = await mkdtemp(join(tmpdir(), `tsdocker-cli-${process.pid}-`));
  try {
    const running = run(cli ?? "docker", ["--config", config, "-H", `unix://${api.path}`, ...words]);
    running.child.stdin?.end(input);
    return { code: 0, ...(await running) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ran;
    return { code, stdout, stderr };
  } finally {
    await rm(config, { recursive: true, force: true });
  }
}

const networks = [
  networkView({ id: `b${"0".repeat(63)}`, name: "bridge", predefined: true }),
  networkView({
    members: [{ containerId: c1Id, endpointId: "e1", name: "c1", ipv4: prefix("172.18.0.2/16") }],
  }),
];

/** Enough of an engine for `run`: one container whose process is given. */
function engineRunning(process: FakeProcess, specs: ContainerSpec[] = []): Engine {
  const exit = Promise.withResolvers<ContainerExit>();
  return fakeEngine({
    system: { info: async () => infoFacts },
    containers: {
      create: async (spec) => {
        specs.push(spec);
        return { id: c1Id, warnings: [] };
      },
      attach: async () => process.session,
      wait: async () => ({ exit: exit.promise }),
      start: async () => {
        process.write("stdout", "hello from c1\n");
        process.write("stderr", "and from its stderr\n");
        process.exit();
        exit.resolve({ statusCode: 7 });
      },
    },
  });
}

const withCli = test.skipIf(cli === undefined);

withCli("docker network ls, inspect, create and rm", async () => {
  const created: string[] = [];
  await using api = await ServedApi.create(
    fakeEngine({
      networks: {
        list: async () => networks,
        inspect: async (ref) => {
          const found = networks.find(({ name }) => name === ref);
          if (!found) throw notFound(`network ${ref} not found`);
          return found;
        },
        create: async ({ name, ipam }) => {
          created.push(`${name} ${ipam.pools.length}`);
          return { id: x1Id, warning: "" };
        },
        remove: async () => undefined,
      },
    }),
  );
  const format = ["--format", "{{.Name}} {{.Driver}} {{.Scope}}"];
  expect((await docker(api, ["network", "ls", ...format])).stdout).toBe(
    "bridge bridge local\nx1 bridge local\n",
  );
  const inspected = await docker(api, ["network", "inspect", "x1", "--format", "{{json .Containers}}"]);
  expect(JSON.parse(inspected.stdout)).toMatchObject({ [c1Id]: { IPv4Address: "172.18.0.2/16" } });
  expect(await docker(api, ["network", "inspect", "x9"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/network x9 not found|No such network: x9/),
  });
  const create = await docker(api, ["network", "create", "--subnet", "192.0.2.0/24", "x1"]);
  expect(create).toMatchObject({ code: 0, stdout: `${x1Id}\n` });
  expect(created).toEqual(["x1 1"]);
  expect(await docker(api, ["network", "rm", "x1"])).toMatchObject({ code: 0, stdout: "x1\n" });
});

withCli("docker run shows both streams and takes the container's exit code", async () => {
  const specs: ContainerSpec[] = [];
  await using api = await ServedApi.create(engineRunning(new FakeProcess({ stdin: false }), specs));
  const ran = await docker(api, ["run", "--network", "x1", "-p", "8080:80", "--name", "c1", "nginx", "true"]);
  expect(ran).toEqual({ code: 7, stdout: "hello from c1\n", stderr: "and from its stderr\n" });
  expect(specs[0]).toMatchObject({
    name: "c1",
    command: ["true"],
    portBindings: [{ protocol: "tcp", containerPort: 80, hostPorts: { first: 8080, last: 8080 } }],
    networkMode: { kind: "network", network: "x1" },
  });
});

withCli("docker exec -i carries stdin to its end and takes the exit code", async () => {
  const process = new FakeProcess().becomeCat();
  const spec = {
    command: ["cat"],
    env: [],
    privileged: false,
    tty: false,
    attachStdin: true,
    attachStdout: true,
    attachStderr: true,
  };
  const view = { id: "e1", containerId: c1Id, spec, running: false, pid: 0, canRemove: false, exitCode: 5 };
  await using api = await ServedApi.create(
    fakeEngine({
      containers: { inspect: async () => containerView() },
      execs: { create: async () => "e1", inspect: async () => view, start: async () => process.session },
    }),
  );
  expect(await docker(api, ["exec", "-i", "c1", "cat"], "typed\n")).toEqual({
    code: 5,
    stdout: "typed\n",
    stderr: "",
  });
});

withCli("docker ps, logs, info, version and inspect read our answers", async () => {
  async function* records() {
    yield { stream: "stdout" as const, data: Buffer.from("line\n"), timestamp: "2026-11-01T10:00:00Z" };
  }
  await using api = await ServedApi.create(
    fakeEngine({
      system: {
        info: async () => infoFacts,
        version: async () => ({
          version: "0.1.0",
          gitCommit: "abc",
          buildTime: "",
          kernelVersion: "6.18.0",
          architecture: "amd64",
          components: [{ name: "containerd", version: "1.6.20", details: { GitCommit: "" } }],
        }),
      },
      containers: {
        list: async () => [containerView()],
        inspect: async () => containerView(),
        logs: async () => ({ tty: false, records: records() }),
      },
    }),
  );
  const format = (text: string) => ["--format", text];
  expect((await docker(api, ["ps", ...format("{{.Names}} {{.Image}} {{.State}}")])).stdout).toBe(
    "c1 nginx running\n",
  );
  expect((await docker(api, ["logs", "c1"])).stdout).toBe("line\n");
  expect(
    (await docker(api, ["info", ...format("{{.ServerVersion}} {{.Swarm.LocalNodeState}}")])).stdout,
  ).toBe("0.1.0 inactive\n");
  expect((await docker(api, ["version", ...format("{{.Server.APIVersion}}")])).stdout).toBe("1.51\n");
  expect(
    (await docker(api, ["inspect", "c1", ...format("{{.NetworkSettings.Networks.x1.IPAddress}}")])).stdout,
  ).toBe("172.18.0.2\n");
  const tables = await Promise.all([docker(api, ["ps"]), docker(api, ["info"]), docker(api, ["version"])]);
  expect(tables.map(({ code }) => code)).toEqual([0, 0, 0]);
});

test("dockerode creates, attaches with stdin, starts and waits", async () => {
  const process = new FakeProcess().becomeCat();
  await using api = await ServedApi.create(engineRunning(process));
  const client = new Docker({ socketPath: api.path });
  const container = await client.createContainer({ Image: "nginx", OpenStdin: true, StdinOnce: true });
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const stdout = new PassThrough();
  client.modem.demuxStream(stream, stdout, new PassThrough());
  const read = new Promise<string>((resolve) => {
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk;
      if (text.endsWith("typed")) resolve(text);
    });
  });
  stream.write("typed");
  expect(await read).toBe("typed");
  stream.end();
  const waited = container.wait();
  await container.start();
  expect(await waited).toEqual({ StatusCode: 7 });
});

test("dockerode follows events and reads errors", async () => {
  async function* events() {
    yield {
      type: "network",
      action: "create",
      actor: { id: x1Id, attributes: { name: "x1" } },
      scope: "local" as const,
      timeNano: 1n,
    };
  }
  const inspect = () => Promise.reject(notFound("network x9 not found"));
  await using api = await ServedApi.create(fakeEngine({ system: { events }, networks: { inspect } }));
  const client = new Docker({ socketPath: api.path, version: "v1.44" });
  const stream = await client.getEvents({ filters: { type: ["network"] } });
  let text = "";
  for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk;
  expect(JSON.parse(text)).toMatchObject({ Type: "network", Action: "create", time: 0 });
  await expect(client.getNetwork("x9").inspect()).rejects.toMatchObject({
    statusCode: 404,
    json: { message: "network x9 not found" },
  });
});
