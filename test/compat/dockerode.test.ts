// dockerode, the client library of the Node world, drives a real daemon: streams, events and errors as its users have them.

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import Docker from "dockerode";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../e2e/run.ts";
import { useSite } from "../e2e/site.ts";
import "../lab/matchers.ts";

const site = useSite();
let docker: Docker;

beforeEach(() => {
  docker = new Docker({ socketPath: site().daemon.socket });
});

afterEach(() => site().daemon.removeAll());

test("ping, version and info agree", async () => {
  expect(String(await docker.ping())).toBe("OK");
  const [version, info] = [await docker.version(), await docker.info()];
  expect(info.ServerVersion).toBe(version.Version);
  expect(info.DockerRootDir).toBe(join(site().daemon.folder, "data"));
});

test("run collects the output of a command and its code", async () => {
  const output = new PassThrough();
  const said = text(output);
  const [result, container] = await docker.run("busybox", ["sh", "-c", "echo hello; exit 5"], output, {
    Tty: true,
  });
  expect(result.StatusCode).toBe(5);
  expect(await said).toContain("hello");
  await container.remove();
});

test("attach splits stdout from stderr and carries stdin with its end", async () => {
  const container = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sh", "-c", "cat; echo oops >&2"],
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
  });
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, stdout, stderr);
  stream.once("end", () => [stdout, stderr].map((it) => it.end()));
  const said = Promise.all([text(stdout), text(stderr)]);
  await container.start();
  stream.end("through the pipe");
  expect(await said).toEqual(["through the pipe", "oops\n"]);
  expect((await container.wait()).StatusCode).toBe(0);
});

test("exec, inspect, resize, logs, stats, top", async () => {
  const container = await docker.createContainer({
    name: "cc",
    Image: "busybox",
    Cmd: ["sh", "-c", "echo up; sleep 100"],
    Tty: true,
  });
  await container.start();
  await container.resize({ h: 20, w: 70 });
  const exec = await container.exec({ Cmd: ["tty"], AttachStdout: true, Tty: true });
  const stream = await exec.start({ hijack: true, Tty: true });
  expect(await text(stream)).toMatch(/^\/dev\/pts\/[0-9]+\r\n$/);
  expect((await exec.inspect()).ExitCode).toBe(0);
  await until("it has spoken", async () => String(await container.logs({ stdout: true })).includes("up"));
  const stats = await container.stats({ stream: false });
  expect(stats.memory_stats.usage).toBeGreaterThan(0);
  expect((await container.top()).Processes.length).toBeGreaterThan(0);
  await container.stop({ t: 0 });
});

test("logs follow until the end of the container", async () => {
  const container = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sh", "-c", "for i in 1 2 3; do echo $i; done"],
    Tty: true,
  });
  await container.start();
  const stream = (await container.logs({ follow: true, stdout: true })) as unknown as Readable;
  expect(await text(stream)).toBe("1\r\n2\r\n3\r\n");
});

test("networks: create, connect, inspect, disconnect, remove", async () => {
  const network = await docker.createNetwork({
    Name: "n",
    Driver: "bridge",
    IPAM: { Driver: "default", Config: [{ Subnet: "198.51.100.0/24" }] },
    Labels: { a: "b" },
  });
  const container = await docker.createContainer({ name: "cc", Image: "busybox", Cmd: ["sleep", "100"] });
  await container.start();
  await network.connect({
    Container: "cc",
    EndpointConfig: { Aliases: ["db"], IPAMConfig: { IPv4Address: "198.51.100.9" } },
  });
  const { Containers, Labels } = await network.inspect();
  expect(Labels).toEqual({ a: "b" });
  expect(Containers?.[container.id]).toMatchObject({ Name: "cc", IPv4Address: "198.51.100.9/24" });
  expect((await docker.listNetworks({ filters: { label: ["a=b"] } })).map(({ Name }) => Name)).toEqual(["n"]);
  await network.disconnect({ Container: "cc" });
  await network.remove();
  await expect(network.inspect()).rejects.toMatchObject({ statusCode: 404 });
});

test("a published port is told and answers", async () => {
  const container = await docker.createContainer({
    name: "cc",
    Image: "busybox",
    Cmd: ["sh", "-c", "while :; do nc -l -p 80 -e echo hi; done"],
    ExposedPorts: { "80/tcp": {} },
    HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } },
  });
  await container.start();
  const { NetworkSettings } = await container.inspect();
  expect(NetworkSettings.Ports["80/tcp"]).toContainEqual({ HostIp: "0.0.0.0", HostPort: "8080" });
  const [listed] = await docker.listContainers();
  expect(listed?.Ports).toContainEqual({ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" });
  await expect(site().peer).toReach("192.0.2.1:8080", { answer: "hi" });
});

test("events arrive as they happen", async () => {
  const stream = (await docker.getEvents({ filters: { type: ["container"] } })) as Readable;
  let seen = "";
  stream.on("data", (chunk) => {
    seen += chunk;
  });
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["true"] });
  await container.start();
  await until("all are seen", () =>
    ["create", "start", "die"].every((it) => seen.includes(`"Action":"${it}"`)),
  );
  stream.destroy();
});

test("images: load, list, tag, inspect, remove", async () => {
  const archive = join(import.meta.dirname, "..", "..", ".cache", "images", "busybox.tar");
  const progress = await docker.loadImage(createReadStream(archive));
  expect(await text(progress)).toContain("Loaded image: busybox:latest");
  const image = docker.getImage("busybox");
  await image.tag({ repo: "example.test/mine", tag: "v1" });
  const tags = (await docker.listImages()).flatMap(({ RepoTags }) => RepoTags);
  expect(tags).toEqual(expect.arrayContaining(["busybox:latest", "example.test/mine:v1"]));
  await docker.getImage("example.test/mine:v1").remove();
  expect((await image.inspect()).RepoTags).toEqual(["busybox:latest"]);
});

test("volumes: create, use, list, remove", async () => {
  await docker.createVolume({ Name: "data", Labels: { a: "b" } });
  const [result, container] = await docker.run("busybox", ["touch", "/d/x"], new PassThrough(), {
    HostConfig: { Binds: ["data:/d"] },
  });
  expect(result.StatusCode).toBe(0);
  await container.remove();
  expect((await docker.listVolumes()).Volumes.map(({ Name }) => Name)).toEqual(["data"]);
  await docker.getVolume("data").remove();
});

test("errors carry Docker's status and message", async () => {
  await expect(docker.getContainer("nobody").inspect()).rejects.toMatchObject({
    statusCode: 404,
    json: { message: "No such container: nobody" },
  });
  await expect(docker.createContainer({ Image: "nothing" })).rejects.toMatchObject({
    statusCode: 404,
    json: { message: "No such image: nothing:latest" },
  });
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["no-such-command"] });
  await expect(container.start()).rejects.toMatchObject({
    statusCode: 400,
    json: { message: expect.stringContaining("executable file not found") },
  });
});
