// Hijacked connections, as clients of all ages ask for them.

import { expect, test } from "vitest";
import type { AttachRequest, Engine } from "../../../src/engine/types.ts";
import { conflict, notFound } from "../../../src/util/errors.ts";
import { c1Id, FakeProcess, fakeEngine } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

const upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

function attachTo(process: FakeProcess, seen: AttachRequest[] = []): Engine {
  return fakeEngine({
    containers: {
      attach: async (_ref, request) => {
        seen.push(request);
        return process.session;
      },
    },
  });
}

function post(path: string, { headers = "", body }: { headers?: string; body?: object } = {}): string {
  const text = body === undefined ? "" : JSON.stringify(body);
  const json = `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n`;
  return `POST ${path} HTTP/1.1\r\nHost: docker\r\n${headers}${body ? json : ""}\r\n${text}`;
}

const attachPath = "/v1.45/containers/c1/attach?stream=1&stdin=1&stdout=1&stderr=1";

test("attach upgrades, frames the output, and goes on after the client half-closed", async () => {
  const process = new FakeProcess();
  const seen: AttachRequest[] = [];
  await using api = await ServedApi.create(attachTo(process, seen));
  const client = api.dial();
  client.send(post(attachPath, { headers: upgrade }));
  const head = await client.until("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
  expect(head).toContain("Content-Type: application/vnd.docker.multiplexed-stream\r\n");
  expect(head).toContain("Connection: Upgrade\r\n");
  expect(head).toContain("Upgrade: tcp\r\n");
  expect(head.toLowerCase()).toContain("api-version: 1.51\r\n");
  expect(seen).toEqual([{ stdin: true, stdout: true, stderr: true, stream: true, logs: false }]);

  const typed = new Promise<string>((resolve) => {
    let text = "";
    process.stdin.on("data", (data: Buffer) => {
      text += data;
    });
    process.stdin.on("end", () => resolve(text));
  });
  client.send("one ");
  client.send("two");
  client.halfClose();
  expect(await typed).toBe("one two");
  expect(process.detached).toEqual([]);

  process.write("stdout", "out");
  process.write("stderr", "err!");
  process.exit();
  expect(await client.untilEnd()).toBe(`${head}\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04err!`);
});

test("attach to a terminal is raw both ways", async () => {
  const process = new FakeProcess({ tty: true }).becomeCat();
  await using api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post(attachPath, { headers: upgrade }));
  const head = await client.until("\r\n\r\n");
  expect(head).toContain("Content-Type: application/vnd.docker.raw-stream\r\n");
  client.send("hello");
  expect(await client.until("hello")).toBe(`${head}hello`);
  client.halfClose();
  expect(await client.untilEnd()).toBe(`${head}hello`);
});

test("an old client that asks for no upgrade gets 200 and the raw content type", async () => {
  const process = new FakeProcess().becomeCat();
  await using api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post(attachPath));
  const head = await client.until("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(head).toContain("Content-Type: application/vnd.docker.raw-stream\r\n");
  client.send("GET / HTTP/1.1\r\n\r\n");
  await client.until("GET / HTTP/1.1");
  client.halfClose();
  expect(await client.untilEnd()).toBe(`${head}\x01\0\0\0\0\0\0\x12GET / HTTP/1.1\r\n\r\n`);
});

test("bytes sent before the answer, while the engine still thinks, are stdin", async () => {
  const process = new FakeProcess().becomeCat();
  const { promise: isAllowed, resolve: allow } = Promise.withResolvers<void>();
  const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
  const attach = async () => {
    asked();
    await isAllowed;
    return process.session;
  };
  await using api = await ServedApi.create(fakeEngine({ containers: { attach } }));
  const client = api.dial();
  client.send(post(attachPath));
  await isAsked;
  client.send("early");
  client.halfClose();
  allow();
  expect(await client.untilEnd()).toMatch(/early$/);
});

test("versions before 1.42 know one content type", async () => {
  await using api = await ServedApi.create(attachTo(new FakeProcess()));
  const client = api.dial();
  client.send(post("/v1.41/containers/c1/attach?stream=1&stdout=1", { headers: upgrade }));
  expect(await client.until("\r\n\r\n")).toContain("Content-Type: application/vnd.docker.raw-stream\r\n");
  client.socket.destroy();
});

test("a refused attach answers with its status on the connection, and ends it", async () => {
  const attach = () => Promise.reject(notFound("No such container: c9"));
  await using api = await ServedApi.create(fakeEngine({ containers: { attach } }));
  const client = api.dial();
  client.send(post("/containers/c9/attach?stream=1", { headers: upgrade }));
  const answer = await client.untilEnd();
  expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
  expect(answer.toLowerCase()).toContain("content-type: application/json\r\n");
  expect(answer).toMatch(/\r\n\r\n{"message":"No such container: c9"}\n$/);
});

test("malformed detach keys are refused", async () => {
  await using api = await ServedApi.create(attachTo(new FakeProcess()));
  const answer = await api.ask("POST", "/containers/c1/attach?stream=1&detachKeys=ctrl-1");
  expect(answer.status).toBe(400);
  expect(answer.text).toContain("invalid detach keys (ctrl-1) provided");
});

test("the detach keys end the session and are not passed on", async () => {
  const process = new FakeProcess({ tty: true });
  const typed: Buffer[] = [];
  process.stdin.on("data", (data: Buffer) => typed.push(data));
  await using api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post(attachPath, { headers: upgrade }));
  const head = await client.until("\r\n\r\n");
  client.send("ls\x10");
  client.send("\x11more");
  expect(await client.untilEnd()).toBe(head);
  expect(process.detached[0]).toBe("keys");
  expect(Buffer.concat(typed).toString()).toBe("ls");
});

// a closed unix socket looks like a half-closed one until something is written to it
test("a client that is gone is detached at the next output, and its process goes on", async () => {
  const process = new FakeProcess();
  await using api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post(attachPath, { headers: upgrade }));
  await client.until("\r\n\r\n");
  client.socket.destroy();
  const speak = () => {
    process.write("stdout", "anybody?");
    return process.detached;
  };
  await expect.poll(speak).toContain("gone");
  expect(process.stdin.destroyed).toBe(false);
});

test("without stdin the session ends with the output, not with the client's half-close", async () => {
  const process = new FakeProcess({ stdin: false });
  await using api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post("/containers/c1/attach?stream=1&stdout=1", { headers: upgrade }));
  const head = await client.until("\r\n\r\n");
  client.halfClose();
  process.write("stdout", "late");
  process.exit();
  expect(await client.untilEnd()).toBe(`${head}\x01\0\0\0\0\0\0\x04late`);
});

test("a process that closes its stdin loses none of its output", async () => {
  const process = new FakeProcess();
  await using api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post(attachPath, { headers: upgrade }));
  await client.until("\r\n\r\n");
  process.stdin.destroy(new Error("EPIPE"));
  client.send("x".repeat(300_000));
  process.write("stdout", "still here");
  await client.until("still here");
  process.exit();
  await client.untilEnd();
});

test("megabytes of output arrive whole and in order", async () => {
  const process = new FakeProcess({ tty: true, stdin: false });
  await using api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post(attachPath, { headers: upgrade }));
  const head = await client.until("\r\n\r\n");
  const lines = Array.from({ length: 2000 }, (_, at) => `${at}`.padStart(1024, "."));
  for (const line of lines) process.write("stdout", line);
  process.exit();
  const all = await client.untilEnd();
  expect(all.slice(head.length)).toBe(lines.join(""));
});

test("closing the API ends attached clients", async () => {
  const process = new FakeProcess();
  const api = await ServedApi.create(attachTo(process));
  const client = api.dial();
  client.send(post(attachPath, { headers: upgrade }));
  await client.until("\r\n\r\n");
  await api[Symbol.asyncDispose]();
  await client.untilEnd();
  expect(process.detached).toContain("gone");
});

const execView = {
  id: "e1",
  containerId: c1Id,
  running: false,
  pid: 0,
  canRemove: false,
  spec: {
    command: ["sh", "-c", "true"],
    env: [],
    privileged: false,
    tty: false,
    attachStdin: true,
    attachStdout: true,
    attachStderr: true,
  },
} as const;

test("exec start reads its body, upgrades and carries both ways", async () => {
  const process = new FakeProcess().becomeCat();
  const engine = fakeEngine({
    execs: { inspect: async () => execView, start: async () => process.session },
  });
  await using api = await ServedApi.create(engine);
  const client = api.dial();
  client.send(post("/v1.45/exec/e1/start", { headers: upgrade, body: { Detach: false, Tty: false } }));
  const head = await client.until("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
  client.send("in");
  client.halfClose();
  expect(await client.untilEnd()).toBe(`${head}\x01\0\0\0\0\0\0\x02in`);
});

test("an exec that cannot start says so on its stream, since the CLI then asks for the exit code", async () => {
  const start = () => Promise.reject(conflict("OCI runtime exec failed: no such file"));
  await using api = await ServedApi.create(fakeEngine({ execs: { inspect: async () => execView, start } }));
  const client = api.dial();
  client.send(post("/exec/e1/start", { headers: upgrade, body: { Tty: true } }));
  const answer = await client.untilEnd();
  expect(answer).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
  expect(answer).toMatch(/\r\n\r\nOCI runtime exec failed: no such file\r\n$/);
});

test("an unknown exec is not found", async () => {
  const inspect = () => Promise.reject(notFound("No such exec instance: e9"));
  await using api = await ServedApi.create(fakeEngine({ execs: { inspect } }));
  const answer = await api.ask("POST", "/exec/e9/start", { body: {} });
  expect(answer.status).toBe(404);
  expect(answer.json()).toEqual({ message: "No such exec instance: e9" });
});

test("a detached exec answers when it runs", async () => {
  const started: string[] = [];
  const startDetached = async (id: string) => {
    started.push(id);
  };
  await using api = await ServedApi.create(fakeEngine({ execs: { startDetached } }));
  expect((await api.ask("POST", "/exec/e1/start", { body: { Detach: true } })).status).toBe(200);
  expect(started).toEqual(["e1"]);
});
