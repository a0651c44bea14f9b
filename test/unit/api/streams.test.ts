// Streams of documents: events, stats, logs.

import { PassThrough, Readable } from "node:stream";
import { expect, test, vi } from "vitest";
import type {
  ContainerExit,
  EngineEvent,
  EventQuery,
  LogQuery,
  LogRecord,
  ProgressMessage,
  PullRequest,
  StatsSample,
} from "../../../src/engine/types.ts";
import { conflict, EngineError, notFound } from "../../../src/util/errors.ts";
import { c1Id, fakeEngine, imageId, x1Id } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

async function* each<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

const started: EngineEvent = {
  type: "container",
  action: "start",
  actor: { id: c1Id, attributes: { image: "nginx", name: "c1" } },
  scope: "local",
  timeNano: 1_793_527_201_000_000_007n,
};
const joined: EngineEvent = {
  ...started,
  type: "network",
  action: "connect",
  actor: { id: x1Id, attributes: { name: "x1", type: "bridge", container: c1Id } },
};

test("events are sent the moment they happen, one a line, with every digit of their time", async () => {
  const source = new PassThrough({ objectMode: true });
  const events = () => source as AsyncIterable<EngineEvent>;
  await using api = await ServedApi.create(fakeEngine({ system: { events } }));
  const client = api.dial();
  client.send("GET /v1.45/events HTTP/1.1\r\nHost: docker\r\n\r\n");
  const head = await client.until("\r\n\r\n");
  expect(head).toContain("Content-Type: application/json\r\n");
  source.write(started);
  const text = await client.until('"timeNano":1793527201000000007}\n');
  expect(text).toContain(
    `{"status":"start","id":"${c1Id}","from":"nginx","Type":"container","Action":"start"`,
  );
  expect(text).toContain('"time":1793527201,');
  source.write(joined);
  expect(await client.until('"Action":"connect"')).toContain('{"Type":"network","Action":"connect"');
  client.socket.destroy();
});

test("since, until and filters of events reach the engine", async () => {
  const asked: EventQuery[] = [];
  const events = (query: EventQuery) => {
    asked.push(query);
    return each([started]);
  };
  await using api = await ServedApi.create(fakeEngine({ system: { events } }));
  const filters = encodeURIComponent('{"container":{"c1":true},"event":["start"]}');
  const path = `/events?since=1700000000.000000005&until=2026-11-01T00:00:00Z&filters=${filters}`;
  const answer = await api.ask("GET", path);
  expect(answer.text.trim().split("\n")).toHaveLength(1);
  expect(asked[0]?.sinceNano).toBe(1_700_000_000_000_000_005n);
  expect(asked[0]?.untilNano).toBe(BigInt(Date.UTC(2026, 10, 1)) * 1_000_000n);
  expect([...(asked[0]?.filters ?? [])]).toEqual([
    ["container", ["c1"]],
    ["event", ["start"]],
  ]);
  expect((await api.ask("GET", "/events?since=yesterday")).status).toBe(400);
});

test("events are told when their client is gone", async () => {
  const gone = Promise.withResolvers<void>();
  const events = async function* (_query: EventQuery, signal: AbortSignal): AsyncIterable<EngineEvent> {
    yield started;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    gone.resolve();
  };
  await using api = await ServedApi.create(fakeEngine({ system: { events } }));
  const client = api.dial();
  client.send("GET /events HTTP/1.1\r\nHost: docker\r\n\r\n");
  await client.until("timeNano");
  client.socket.destroy();
  await gone.promise;
});

test("events end when the API closes, and their connection with them although the client would keep it", async () => {
  const events = async function* (_query: EventQuery, signal: AbortSignal): AsyncIterable<EngineEvent> {
    yield started;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  };
  const api = await ServedApi.create(fakeEngine({ system: { events } }));
  const client = api.dial();
  client.send("GET /events HTTP/1.1\r\nHost: docker\r\n\r\n");
  await client.until("timeNano");
  // nothing is cut off for having taken too long
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  await api[Symbol.asyncDispose]().finally(() => vi.useRealTimers());
  await client.until("\r\n0\r\n\r\n");
});

test("events in the form that the client accepts", async () => {
  const events = () => each([started]);
  await using api = await ServedApi.create(fakeEngine({ system: { events } }));
  const answer = await api.ask("GET", "/events", { headers: { Accept: "application/json-seq" } });
  expect(answer.headers["content-type"]).toBe("application/json-seq");
  expect(answer.text.startsWith("\x1e{")).toBe(true);
  expect(answer.text.endsWith("}\n")).toBe(true);
});

const records: LogRecord[] = [
  { stream: "stdout", data: Buffer.from("one\n"), timestamp: "2026-11-01T10:00:00.000000001Z" },
  { stream: "stderr", data: Buffer.from("two\n"), timestamp: "2026-11-01T10:00:00.000000002Z" },
];

test("logs are framed without a terminal and raw with one", async () => {
  let tty = false;
  const logs = async () => ({ tty, records: each(records) });
  await using api = await ServedApi.create(fakeEngine({ containers: { logs } }));
  const framed = await api.ask("GET", "/containers/c1/logs?stdout=1&stderr=1");
  expect(framed.headers["content-type"]).toBe("application/vnd.docker.multiplexed-stream");
  expect(framed.text).toBe("\x01\0\0\0\0\0\0\x04one\n\x02\0\0\0\0\0\0\x04two\n");
  tty = true;
  const raw = await api.ask("GET", "/containers/c1/logs?stdout=1&timestamps=1");
  expect(raw.headers["content-type"]).toBe("application/vnd.docker.raw-stream");
  expect(raw.text).toBe("2026-11-01T10:00:00.000000001Z one\n2026-11-01T10:00:00.000000002Z two\n");
});

test("the query of logs reaches the engine", async () => {
  const asked: LogQuery[] = [];
  const logs = async (_ref: string, query: LogQuery) => {
    asked.push(query);
    return { tty: true, records: each<LogRecord>([]) };
  };
  await using api = await ServedApi.create(fakeEngine({ containers: { logs } }));
  await api.ask("GET", "/containers/c1/logs?stdout=1&tail=10&follow=true&since=5.25");
  await api.ask("GET", "/containers/c1/logs?stderr=1&tail=all&since=0&until=");
  expect(asked).toEqual([
    { stdout: true, stderr: false, follow: true, tail: 10, sinceNano: 5_250_000_000n },
    { stdout: false, stderr: true, follow: false },
  ]);
});

test("logs of no stream and of no container are errors", async () => {
  const logs = () => Promise.reject(notFound("No such container: c9"));
  await using api = await ServedApi.create(fakeEngine({ containers: { logs } }));
  expect((await api.ask("GET", "/containers/c1/logs")).json()).toEqual({
    message: "Bad parameters: you must choose at least one stream",
  });
  expect((await api.ask("GET", "/containers/c9/logs?stdout=1")).status).toBe(404);
});

test("wait sends its head as soon as the waiter is registered", async () => {
  const { promise: exit, resolve } = Promise.withResolvers<ContainerExit>();
  const wait = async () => ({ exit });
  await using api = await ServedApi.create(fakeEngine({ containers: { wait } }));
  const client = api.dial();
  client.send("POST /v1.45/containers/c1/wait?condition=next-exit HTTP/1.1\r\nHost: docker\r\n\r\n");
  expect(await client.until("\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  resolve({ statusCode: 3, error: "no space" });
  expect(await client.until("}}")).toContain('{"StatusCode":3,"Error":{"Message":"no space"}}');
  client.socket.destroy();
});

test("wait knows three conditions", async () => {
  const wait = async () => ({ exit: Promise.resolve({ statusCode: 0 }) });
  await using api = await ServedApi.create(fakeEngine({ containers: { wait } }));
  expect((await api.ask("POST", "/containers/c1/wait")).json()).toEqual({ StatusCode: 0 });
  expect((await api.ask("POST", "/containers/c1/wait?condition=later")).json()).toEqual({
    message: 'invalid condition: "later"',
  });
});

test("a pull that fails at once has the status, one that fails later an error line", async () => {
  const asked: PullRequest[] = [];
  async function* pull(request: PullRequest): AsyncIterable<ProgressMessage> {
    asked.push(request);
    if (request.reference === "gone:1") throw notFound("manifest for gone:1 not found");
    yield { status: "Pulling from library/nginx", id: "1.25" };
    yield { status: "Downloading", id: "abc", progressDetail: { current: 1, total: 2 } };
    throw conflict("disk full");
  }
  await using api = await ServedApi.create(fakeEngine({ images: { pull } }));
  const gone = await api.ask("POST", "/images/create?fromImage=gone&tag=1");
  expect(gone.status).toBe(404);
  expect(gone.json()).toEqual({ message: "manifest for gone:1 not found" });
  const auth = Buffer.from('{"username":"u","password":"p\u00fc>?"}').toString("base64url");
  const begun = await api.ask("POST", "/images/create?fromImage=nginx&tag=1.25&platform=linux/amd64", {
    headers: { "X-Registry-Auth": auth },
  });
  expect(begun.status).toBe(200);
  expect(
    begun.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { status: "Pulling from library/nginx", id: "1.25" },
    { status: "Downloading", id: "abc", progressDetail: { current: 1, total: 2 } },
    { errorDetail: { message: "disk full" }, error: "disk full" },
  ]);
  expect(asked[1]).toEqual({
    reference: "nginx:1.25",
    platform: "linux/amd64",
    auth: { username: "u", password: "pü>?" },
  });
  await api.ask("POST", `/images/create?fromImage=nginx&tag=${encodeURIComponent(imageId)}`);
  expect(asked[2]?.reference).toBe(`nginx@${imageId}`);
});

test("an archive is loaded from the body and saved to the answer", async () => {
  async function* load(archive: Readable): AsyncIterable<ProgressMessage> {
    const chunks: Buffer[] = [];
    for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
    yield { stream: `Loaded ${Buffer.concat(chunks)}` };
  }
  const save = async (names: readonly string[]) => Readable.from([Buffer.from(names.join("+"))]);
  await using api = await ServedApi.create(fakeEngine({ images: { load, save } }));
  const loaded = await api.ask("POST", "/images/load", {
    body: "tar",
    headers: { "Content-Type": "application/x-tar" },
  });
  expect(loaded.text).toBe('{"stream":"Loaded tar"}\n');
  const saved = await api.ask("GET", "/images/get?names=a&names=library/b:1");
  expect(saved.headers["content-type"]).toBe("application/x-tar");
  expect(saved.text).toBe("a+library/b:1");
  expect((await api.ask("GET", "/images/library/b/get")).text).toBe("library/b");
});

function sample(totalNs: number): StatsSample {
  return {
    readAt: new Date(totalNs),
    cpu: {
      totalNs,
      kernelNs: 1,
      userNs: 2,
      systemNs: 3,
      onlineCpus: 2,
      throttling: { periods: 0, throttledPeriods: 0, throttledNs: 0 },
    },
    memory: { usageBytes: 10, limitBytes: 100, stats: { inactive_file: 4 } },
    pids: { current: 1 },
    blockIo: [],
    networks: {
      eth0: {
        rxBytes: 5,
        rxPackets: 1,
        rxErrors: 0,
        rxDropped: 0,
        txBytes: 6,
        txPackets: 1,
        txErrors: 0,
        txDropped: 0,
      },
    },
  };
}

interface Stats {
  readonly cpu_stats: { readonly cpu_usage: { readonly total_usage: number } };
  readonly precpu_stats: { readonly cpu_usage: { readonly total_usage: number } };
}

test("stats stream every sample beside the one before; once means the second, one-shot the first", async () => {
  const stats = async () => ({ id: c1Id, name: "c1", samples: each([sample(1), sample(2), sample(3)]) });
  await using api = await ServedApi.create(fakeEngine({ containers: { stats } }));
  const usages = async (query: string) => {
    const { text } = await api.ask("GET", `/containers/c1/stats${query}`);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Stats);
    return lines.map((it) => [it.precpu_stats.cpu_usage.total_usage, it.cpu_stats.cpu_usage.total_usage]);
  };
  expect(await usages("")).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
  expect(await usages("?stream=false")).toEqual([[1, 2]]);
  expect(await usages("?stream=0&one-shot=1")).toEqual([[0, 1]]);
});

test("stats of a container that does not run are zero", async () => {
  const stats = async () => ({ id: c1Id, name: "c1", samples: each([undefined]) });
  await using api = await ServedApi.create(fakeEngine({ containers: { stats } }));
  expect((await api.ask("GET", "/containers/c1/stats?stream=0")).json()).toMatchObject({
    name: "/c1",
    id: c1Id,
    memory_stats: {},
    pids_stats: {},
    read: "0001-01-01T00:00:00Z",
  });
});

test("a stream that breaks after its head ends without its last chunk", async () => {
  async function* broken(): AsyncIterable<LogRecord> {
    yield* records;
    throw new Error("disk gone");
  }
  const logs = async () => ({ tty: true, records: broken() });
  await using api = await ServedApi.create(fakeEngine({ containers: { logs } }));
  await expect(api.ask("GET", "/containers/c1/logs?stdout=1")).rejects.toThrow(/aborted|hang up/);
});

test("a wait whose client is gone ends quietly", async () => {
  const gone = Promise.withResolvers<void>();
  const wait = async (_ref: string, _condition: string, signal: AbortSignal) => ({
    exit: new Promise<ContainerExit>((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        reject(new EngineError("cancelled", "the client went away"));
        gone.resolve();
      });
    }),
  });
  await using api = await ServedApi.create(fakeEngine({ containers: { wait } }));
  const client = api.dial();
  client.send("POST /containers/c1/wait HTTP/1.1\r\nHost: docker\r\n\r\n");
  await client.until("\r\n\r\n");
  client.socket.destroy();
  await gone.promise;
  expect(api.failures).toEqual([]);
});

test("what fails inside is logged with its request, what a client did wrong is not", async () => {
  const inspect = (ref: string) => Promise.reject(ref === "c9" ? notFound("no") : new Error("boom"));
  await using api = await ServedApi.create(fakeEngine({ containers: { inspect } }));
  await api.ask("GET", "/v1.44/containers/c9/json");
  await api.ask("GET", "/v1.44/containers/c1/json");
  expect(api.failures).toMatchObject([{ method: "GET", path: "/v1.44/containers/c1/json", reason: "boom" }]);
});
