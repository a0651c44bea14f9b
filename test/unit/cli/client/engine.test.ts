// The client against a server in the test: versions, bodies, errors, hijacking.

import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineClient } from "../../../../src/cli/client/engine.ts";
import { parseHost } from "../../../../src/cli/client/host.ts";
import { queryText } from "../../../../src/cli/client/query.ts";
import { FakeEngine } from "../fake-engine.ts";

let engine: FakeEngine;
let client: EngineClient;
beforeEach(async () => {
  engine = await FakeEngine.create();
  client = clientOf(engine.host);
});
afterEach(async () => {
  client.close();
  await engine[Symbol.asyncDispose]();
});

const clientOf = (host: string, apiVersion?: string) =>
  new EngineClient({
    endpoint: parseHost(host, false),
    tls: undefined,
    apiVersion,
    headers: { "X-Own": "1" },
  });

describe("the client of the engine", () => {
  it("speaks the lower of both versions, asked once", async () => {
    engine.apiVersion = "1.41";
    engine.json("GET /info", { a: 1 });
    await client.get("/info");
    await client.get("/info");
    expect(await client.version()).toBe("1.41");
    expect(engine.asked.map((one) => `${one.method} ${one.path}`)).toEqual([
      "HEAD /_ping",
      "GET /info",
      "GET /info",
    ]);
  });

  it("speaks its own newest with a newer daemon, and none older than it knows", async () => {
    engine.apiVersion = "1.99";
    expect(await client.version()).toBe("1.50");
    engine.apiVersion = "1.12";
    expect(await clientOf(engine.host).version()).toBe("1.24");
  });

  it("does not ask when a version is pinned", async () => {
    const pinned = clientOf(engine.host, "1.43");
    engine.json("GET /info", {});
    await pinned.get("/info");
    expect(engine.asked.map((one) => one.path)).toEqual(["/info"]);
    pinned.close();
  });

  it("sends its headers, and JSON as JSON", async () => {
    engine.json("POST /x", {});
    await client.post("/x", { json: { a: "é" } });
    expect(engine.asked.at(-1)).toMatchObject({ body: '{"a":"é"}' });
    expect(engine.asked.at(-1)?.headers).toMatchObject({ "content-type": "application/json", "x-own": "1" });
  });

  it("streams a body of unknown length", async () => {
    engine.json("POST /load", {});
    const body = async function* () {
      yield Buffer.from("one ");
      yield Buffer.alloc(100_000, "x");
    };
    await client.post("/load", { body: body() });
    expect(engine.asked.at(-1)?.body).toHaveLength(100_004);
  });

  it("reads a chunked answer whole", async () => {
    engine.on("GET /big", (_, response) => {
      for (let n = 0; n < 50; n++) response.write("x".repeat(1000 + n));
      response.end("end");
    });
    const text = await client.text("GET", "/big");
    expect(text).toHaveLength(50_000 + 1225 + 3);
    expect(text.endsWith("end")).toBe(true);
  });

  it("throws what the daemon said, with its status", async () => {
    engine.refuse("GET /x", 404, "no such thing");
    await expect(client.get("/x")).rejects.toMatchObject({
      status: 404,
      message: "Error response from daemon: no such thing",
    });
    engine.on("GET /y", (_, response) => void response.writeHead(500).end("plain words\n"));
    await expect(client.get("/y")).rejects.toThrow("Error response from daemon: plain words");
  });

  it("goes on using the connection after an error", async () => {
    engine.refuse("GET /x", 404, "no");
    engine.json("GET /info", { ok: true });
    await expect(client.get("/x")).rejects.toThrow();
    expect(await client.get("/info")).toEqual({ ok: true });
  });

  it("says that it cannot connect, and to what", async () => {
    const gone = clientOf("unix:///nowhere/engine.sock");
    await expect(gone.get("/info")).rejects.toThrow(
      "Cannot connect to the Docker daemon at unix:///nowhere/engine.sock. Is the docker daemon running?",
    );
  });

  it("calls a peer that hangs up an error of connecting", async () => {
    const server = createServer((socket) => socket.destroy());
    const path = `${engine.folder}/deaf.sock`;
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const deaf = clientOf(`unix://${path}`);
    await expect(deaf.get("/info")).rejects.toThrow(/^(error during connect: Get "http:|Cannot connect)/);
    server.close();
  });

  it("hands a hijacked connection over with what came early", async () => {
    const server = createServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nearly");
        socket.on("data", (data) => socket.end(`echo ${data}`));
      });
    });
    const path = `${engine.folder}/hijack.sock`;
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const raw = clientOf(`unix://${path}`, "1.50");
    const { socket, early, contentType } = await raw.hijack("/exec/1/start", { json: {} });
    expect(contentType).toBe("application/vnd.docker.raw-stream");
    const seen: Buffer[] = [early];
    socket.on("data", (data: Buffer) => seen.push(data));
    socket.resume();
    socket.write("hi");
    await new Promise((resolve) => socket.once("end", resolve));
    expect(Buffer.concat(seen).toString()).toBe("earlyecho hi");
    raw.close();
    server.close();
  });
});

describe("a query", () => {
  it("is sorted, escaped, without what is empty or false", () => {
    expect(queryText({ b: "x y", a: true, c: false, d: "", e: undefined, n: ["1", "2"], z: 0 })).toBe(
      "?a=1&b=x%20y&n=1&n=2&z=0",
    );
    expect(queryText({})).toBe("");
  });
});
