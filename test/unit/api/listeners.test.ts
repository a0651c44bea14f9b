// Where the API listens: unix sockets, TCP, what is left over.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Api, createApi } from "../../../src/api/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { fakeEngine } from "./fake-engine.ts";

const run = promisify(execFile);
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), `tsdocker-listen-${process.pid}-`));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

class Opened implements AsyncDisposable {
  readonly api: Api;
  private constructor(api: Api) {
    this.api = api;
  }
  static async create(): Promise<Opened> {
    return new Opened(await createApi({ engine: fakeEngine(), log: silentLog, serverVersion: "0.1.0" }));
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.api.close();
  }
}

function ping(options: { socketPath: string } | { port: number }): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", ...options, path: "/_ping" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}

test("a unix socket is 0660 and goes away when the API closes", async () => {
  const path = join(folder, "a.sock");
  {
    await using opened = await Opened.create();
    await opened.api.listen({ kind: "unix", path }, { group: "no-such-group" });
    expect((await stat(path)).mode & 0o777).toBe(0o660);
    expect(await ping({ socketPath: path })).toBe(200);
  }
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a unix socket belongs to the group that was asked for", async () => {
  const path = join(folder, "group.sock");
  await using opened = await Opened.create();
  const line = (await readFile("/etc/group", "utf8"))
    .split("\n")
    .find((it) => it.includes(`:${process.getgid?.()}:`));
  await opened.api.listen({ kind: "unix", path }, { group: line?.split(":")[0] ?? "0" });
  expect((await stat(path)).gid).toBe(process.getgid?.());
});

test("a socket left over from a killed daemon is replaced, a living one is not", async () => {
  const path = join(folder, "stale.sock");
  await run(process.execPath, [
    "-e",
    `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
  ]).catch(() => undefined);
  expect((await stat(path)).isSocket()).toBe(true);
  await using first = await Opened.create();
  await first.api.listen({ kind: "unix", path });
  await using second = await Opened.create();
  await expect(second.api.listen({ kind: "unix", path })).rejects.toThrow(
    `listen on unix://${path}: another daemon is serving there`,
  );
  expect(await ping({ socketPath: path })).toBe(200);
});

test("a file that is no socket is left alone", async () => {
  const path = join(folder, "file");
  await writeFile(path, "precious");
  await using opened = await Opened.create();
  await expect(opened.api.listen({ kind: "unix", path })).rejects.toMatchObject({ kind: "invalid" });
  expect(await readFile(path, "utf8")).toBe("precious");
});

test("several addresses are served at once, and the kernel may choose the port", async () => {
  await using opened = await Opened.create();
  const path = join(folder, "many.sock");
  await opened.api.listen({ kind: "unix", path });
  const bound = await opened.api.listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
  if (bound.kind !== "tcp") throw new Error("not tcp");
  expect(bound.port).toBeGreaterThan(0);
  expect(await ping({ port: bound.port })).toBe(200);
  expect(await ping({ socketPath: path })).toBe(200);
});

test.each(["0.0.0.0", "::", "192.0.2.1", "example.org", "::ffff:192.0.2.1"])(
  "plain TCP on %s is refused",
  async (host) => {
    await using opened = await Opened.create();
    await expect(opened.api.listen({ kind: "tcp", host, port: 0 })).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining("refused beyond loopback without --tlsverify"),
    });
  },
);

test("a taken port says so", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await using opened = await Opened.create();
  await expect(opened.api.listen({ kind: "tcp", host: "127.0.0.1", port })).rejects.toThrow(
    `listen on tcp://127.0.0.1:${port}: listen EADDRINUSE`,
  );
  taken.close();
});

test("closing does not wait for clients that keep their connection", async () => {
  const path = join(folder, "keep.sock");
  const opened = await Opened.create();
  await opened.api.listen({ kind: "unix", path });
  expect(await ping({ socketPath: path })).toBe(200);
  await opened.api.close();
  await expect(ping({ socketPath: path })).rejects.toThrow();
});

/** An authority, and certificates of it for a server on loopback and for a client; and a client of no authority. */
async function makeCertificates(): Promise<void> {
  const openssl = (...words: string[]) => run("openssl", words, { cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  await openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority");
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "stranger.key",
    "-out",
    "stranger.pem",
    "-subj",
    "/CN=stranger",
  );
  const issue = ["-CA", "ca.pem", "-CAkey", "ca.key"];
  const names = ["-addext", "subjectAltName=IP:127.0.0.1"];
  await openssl(
    "req",
    "-x509",
    ...key,
    ...issue,
    "-keyout",
    "server.key",
    "-out",
    "server.pem",
    "-subj",
    "/CN=server",
    ...names,
  );
  await openssl(
    "req",
    "-x509",
    ...key,
    ...issue,
    "-keyout",
    "client.key",
    "-out",
    "client.pem",
    "-subj",
    "/CN=client",
  );
}

function securePing(port: number, client: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const files = ["ca.pem", `${client}.pem`, `${client}.key`].map((name) => readFile(join(folder, name)));
    Promise.all(files).then(([ca, cert, key]) => {
      const asked = request({ host: "127.0.0.1", port, path: "/_ping", ca, cert, key }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject).end();
    }, reject);
  });
}

test("TLS lets in only clients of its authority", async () => {
  await makeCertificates();
  const file = (name: string) => join(folder, name);
  const tls = { verify: true, ca: file("ca.pem"), cert: file("server.pem"), key: file("server.key") };
  await using opened = await Opened.create();
  const bound = await opened.api.listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, { tls });
  const port = bound.kind === "tcp" ? bound.port : 0;
  expect(await securePing(port, "client")).toBe(200);
  await expect(securePing(port, "stranger")).rejects.toThrow();
  await expect(ping({ port })).rejects.toThrow();
  const missing = { ...tls, key: file("nothing.key") };
  await expect(
    opened.api.listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, { tls: missing }),
  ).rejects.toThrow(`read --tlskey ${missing.key}: ENOENT`);
});
