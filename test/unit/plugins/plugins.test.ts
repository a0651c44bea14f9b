import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dockerFolders, findPlugin } from "../../../src/plugins/address.ts";
import { bookInMemory, type DebtBook } from "../../../src/plugins/debts.ts";
import { type PluginFolders, Plugins } from "../../../src/plugins/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { FakePlugin, status } from "./fake-plugin.ts";

const run = promisify(execFile);

let root: string;
let folders: PluginFolders;
let plugins: Plugins;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "plugins-"));
  folders = { sockets: join(root, "run"), specs: [join(root, "etc"), join(root, "lib")] };
  for (const folder of [folders.sockets, ...folders.specs]) await mkdir(folder);
  plugins = new Plugins({ folders, patienceMs: 20_000, newcomerMs: 0, log: silentLog });
});

afterEach(async () => {
  plugins.close();
  await rm(root, { recursive: true });
});

const activation = { "Plugin.Activate": { Implements: ["NetworkDriver", "IpamDriver"] } };

/** Soon at the end of its patience. */
function hasty() {
  return disposing(new Plugins({ folders, patienceMs: 300, callMs: 500, newcomerMs: 0, log: silentLog }));
}

function disposing(it: Plugins) {
  return { it, [Symbol.asyncDispose]: async () => it.close() };
}

async function specOf(name: string, text: string, folder = folders.specs[0] ?? ""): Promise<void> {
  await writeFile(join(folder, name), text);
}

describe("finding plugins", () => {
  it("finds a socket by its name, and asks it what it is", async () => {
    await using plugin = await new FakePlugin(activation).listen({ path: join(folders.sockets, "p.sock") });
    expect(await plugins.find("p")).toEqual({ name: "p", kinds: new Set(["NetworkDriver", "IpamDriver"]) });
    expect(plugin.asked[0]).toMatchObject({ method: "Plugin.Activate", text: "" });
    expect(plugin.asked[0]?.headers.accept).toBe("application/vnd.docker.plugins.v1.2+json");
  });

  it("finds a socket in a folder of its own", async () => {
    await mkdir(join(folders.sockets, "p"));
    await using _ = await new FakePlugin(activation).listen({ path: join(folders.sockets, "p", "p.sock") });
    expect(await plugins.find("p")).toMatchObject({ name: "p" });
    expect(await plugins.names()).toEqual(["p"]);
  });

  it("takes no plain file for a socket", async () => {
    await writeFile(join(folders.sockets, "p.sock"), "");
    expect(await plugins.find("p")).toBeUndefined();
  });

  it.each([
    ["a socket", (it: { path: string }) => `unix://${it.path}\n`],
    ["a TCP port", (it: { port: number }) => `tcp://127.0.0.1:${it.port}`],
    ["a URL", (it: { port: number }) => `http://127.0.0.1:${it.port}`],
  ])("follows a .spec file to %s", async (_, text) => {
    const path = join(root, "elsewhere.sock");
    await using onPath = await new FakePlugin(activation).listen({ path });
    await using onPort = await new FakePlugin(activation).listen({ port: 0, host: "127.0.0.1" });
    await specOf("p.spec", text({ path, port: onPort.port }));
    expect(await plugins.find("p")).toMatchObject({ name: "p" });
    expect([...onPath.methods, ...onPort.methods]).toEqual(["Plugin.Activate"]);
  });

  it("follows a .json file", async () => {
    await using plugin = await new FakePlugin(activation).listen({ port: 0, host: "127.0.0.1" });
    await mkdir(join(folders.specs[1] ?? "", "p"));
    const text = JSON.stringify({ Name: "other", Addr: `tcp://127.0.0.1:${plugin.port}` });
    await specOf("p/p.json", text, folders.specs[1]);
    expect(await plugins.find("p")).toMatchObject({ name: "p" });
  });

  it("looks in Docker's folders, in Docker's order", async () => {
    expect(dockerFolders).toEqual({
      sockets: "/run/docker/plugins",
      specs: ["/etc/docker/plugins", "/usr/lib/docker/plugins"],
    });
    const specs = folders.specs.flatMap((folder) =>
      ["p.spec", "p/p.spec", "p.json", "p/p.json"].map((file) => join(folder, file)),
    );
    const sockets = ["p.sock", "p/p.sock"].map((file) => join(folders.sockets, file));
    for (const path of [...sockets, ...specs]) await mkdir(dirname(path), { recursive: true });
    for (const [port, path] of specs.entries()) {
      const address = `tcp://127.0.0.1:${port + 1}`;
      await writeFile(path, path.endsWith(".json") ? JSON.stringify({ Addr: address }) : address);
    }
    for (const path of sockets) {
      await using _ = await new FakePlugin({}).listen({ path: sockets[1] });
      await using __ = path === sockets[0] ? await new FakePlugin({}).listen({ path }) : undefined;
      expect(await findPlugin("p", folders)).toMatchObject({ kind: "unix", path });
    }
    for (const [port, path] of specs.entries()) {
      expect(await findPlugin("p", folders)).toMatchObject({ kind: "http", port: port + 1 });
      await rm(path);
    }
    expect(await findPlugin("p", folders)).toBeUndefined();
  });

  it.each([
    ["no address", "p.spec", "somewhere\n", "no address"],
    ["no JSON", "p.json", "{", "JSON"],
    ["JSON without Addr", "p.json", "{}", "Addr is missing"],
    ["a certificate that is no path", "p.json", '{"Addr":"https://h:1","TLSConfig":{"CAFile":3}}', "CAFile"],
  ])("tells which file has %s", async (_, file, text, message) => {
    await specOf(file, text);
    await expect(plugins.find("p")).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(`${file}.*${message}`),
    });
  });

  it.each(["../run/p", "", ".", "a/b", "-x"])("looks for no plugin named %j", async (name) => {
    expect(await plugins.find(name)).toBeUndefined();
  });

  it("waits for one that is just starting", async () => {
    await using patient = disposing(new Plugins({ folders, log: silentLog }));
    const finding = patient.it.find("p");
    await using _ = await new FakePlugin(activation).listen({ path: join(folders.sockets, "p.sock") });
    expect(await finding).toMatchObject({ name: "p" });
  });

  it("waits for nobody where there have never been plugins", async () => {
    const nowhere = { sockets: join(root, "nowhere"), specs: [] };
    await using patient = disposing(new Plugins({ folders: nowhere, newcomerMs: 1e9, log: silentLog }));
    expect(await patient.it.find("p")).toBeUndefined();
  });

  it("lists all that say where they are", async () => {
    await using _ = await new FakePlugin({}).listen({ path: join(folders.sockets, "b.sock") });
    await specOf("a.spec", "x");
    await specOf("c.json", "x", folders.specs[1]);
    await specOf("readme.txt", "x");
    expect(await plugins.names()).toEqual(["a", "b", "c"]);
  });

  it("tells when a socket has appeared", async () => {
    const appeared = Promise.withResolvers<void>();
    plugins.onAppear(() => appeared.resolve());
    await using _ = await new FakePlugin({}).listen({ path: join(folders.sockets, "b.sock") });
    await appeared.promise;
    expect(await plugins.names()).toEqual(["b"]);
  });
});

describe("a plugin with a certificate", () => {
  async function certificate(name: string): Promise<{ cert: string; key: string }> {
    const [cert, key] = [join(root, `${name}.pem`), join(root, `${name}.key`)];
    const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"];
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await run("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", cert]);
    return { cert, key };
  }

  it("is checked by the authority that its file names, and not at all where it names none", async () => {
    const { cert, key } = await certificate("own");
    const other = await certificate("other");
    const tls = { cert: await readFile(cert), key: await readFile(key) };
    await using fake = await new FakePlugin(activation).listen({ port: 0, host: "127.0.0.1" }, tls);
    const Addr = `https://127.0.0.1:${fake.port}`;
    await specOf("right.json", JSON.stringify({ Addr, TLSConfig: { CAFile: cert } }));
    await specOf("wrong.json", JSON.stringify({ Addr, TLSConfig: { CAFile: other.cert } }));
    await specOf("open.json", JSON.stringify({ Addr }));
    await specOf("line.spec", Addr);
    for (const name of ["right", "open", "line"])
      expect((await plugins.find(name))?.kinds.has("NetworkDriver")).toBe(true);
    await using those = hasty();
    await expect(those.it.find("wrong")).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("plugin wrong: Plugin.Activate: "),
    });
  });
});

describe("calling plugins", () => {
  async function start(answers: ConstructorParameters<typeof FakePlugin>[0]): Promise<FakePlugin> {
    return await new FakePlugin({ ...activation, ...answers }).listen({
      path: join(folders.sockets, "p.sock"),
    });
  }

  it("activates once, whoever calls first, and sends JSON as it is", async () => {
    await using plugin = await start({ "X.Y": { Answer: 1 } });
    const { call } = plugins.caller("p");
    const answers = await Promise.all([call("X.Y", { A: "b" }), call("X.Y")]);
    expect(answers).toEqual([{ Answer: 1 }, { Answer: 1 }]);
    expect(plugin.methods.toSorted()).toEqual(["Plugin.Activate", "X.Y", "X.Y"]);
    expect(plugin.asked.filter(({ method }) => method === "X.Y").map(({ body }) => body)).toContainEqual({
      A: "b",
    });
  });

  it("tells a method that is not there from one that fails", async () => {
    await using _ = await start({
      "X.Broken": status(500, '{"Err":"out of devices"}'),
      "X.Text": status(503, "later\n"),
    });
    const { call } = plugins.caller("p");
    await expect(call("X.Missing")).rejects.toMatchObject({ kind: "not-implemented" });
    await expect(call("X.Broken")).rejects.toMatchObject({
      kind: "internal",
      message: "plugin p: X.Broken: out of devices",
    });
    await expect(call("X.Text")).rejects.toThrow("plugin p: X.Text: later");
  });

  it.each([
    ["no JSON", "<html>", "no JSON"],
    ["a list", "[]", "no JSON object"],
    ["a number", "3", "no JSON object"],
  ])("does not believe an answer that is %s", async (_, text, message) => {
    await using _plugin = await start({ "X.Y": status(200, text) });
    await expect(plugins.caller("p").call("X.Y")).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining(message),
    });
  });

  it.each(["", "null", " \n"])("takes %j for an answer that says nothing", async (text) => {
    await using _ = await start({ "X.Y": status(200, text) });
    expect(await plugins.caller("p").call("X.Y")).toEqual({});
  });

  it("gives up a call that is not answered, and says so by name", async () => {
    await using those = hasty();
    await using plugin = await start({ "X.Y": () => undefined });
    await expect(those.it.caller("p").call("X.Y")).rejects.toMatchObject({
      kind: "unavailable",
      message: "plugin p: X.Y: no answer within 0.5 s",
    });
    expect(plugin.methods).toEqual(["Plugin.Activate", "X.Y"]);
  });

  it("does not repeat a call that the plugin may have heard", async () => {
    await using plugin = await start({ "X.Y": (_, response) => void response.destroy() });
    await expect(plugins.caller("p").call("X.Y")).rejects.toMatchObject({ kind: "unavailable" });
    expect(plugin.methods).toEqual(["Plugin.Activate", "X.Y"]);
  });

  it("repeats a call that the plugin cannot have read, for it was being killed", async () => {
    const path = join(folders.sockets, "p.sock");
    let resets = 0;
    const dying = createServer({ pauseOnConnect: true }, (socket) => {
      // when the call is in it, unread
      setImmediate(() => setImmediate(() => socket.destroy()));
      if (++resets === 2) dying.close();
    });
    await new Promise<void>((resolve) => dying.listen(path, resolve));
    const closed = once(dying, "close");
    const answered = plugins.caller("p").call("X.Y");
    await closed;
    await using plugin = await start({ "X.Y": {} });
    expect(await answered).toEqual({});
    expect(plugin.methods).toEqual(["Plugin.Activate", "X.Y"]);
  });

  it("waits for a plugin that is on its way back", async () => {
    const before = await start({ "X.Y": {} });
    await plugins.caller("p").call("X.Y");
    await before.stop();
    const answered = plugins.caller("p").call("X.Y");
    await using after = await start({ "X.Y": { again: true } });
    expect(await answered).toEqual({ again: true });
    expect(after.methods).toEqual(["X.Y"]);
  });

  it("is patient once with one that is down, and finds it when it is back", async () => {
    await using those = hasty();
    const { call } = those.it.caller("p");
    await expect(call("X.Y")).rejects.toMatchObject({
      kind: "unavailable",
      message: "plugin p is not there",
    });
    await expect(call("X.Y")).rejects.toMatchObject({ kind: "unavailable" });
    await using _ = await start({ "X.Y": {} });
    await expect.poll(() => call("X.Y").catch(String), { timeout: 20_000 }).toEqual({});
  });

  it("follows one that has moved", async () => {
    const before = await start({ "X.Y": {} });
    await plugins.caller("p").call("X.Y");
    await before.stop();
    await using moved = await new FakePlugin({ "X.Y": { moved: true } }).listen({
      port: 0,
      host: "127.0.0.1",
    });
    await specOf("p.spec", `tcp://127.0.0.1:${moved.port}`);
    expect(await plugins.caller("p").call("X.Y")).toEqual({ moved: true });
  });

  it("looks what one can do that has no handshake", async () => {
    await using _fake = await new FakePlugin({ "NetworkDriver.GetCapabilities": { Scope: "local" } }).listen({
      path: join(folders.sockets, "p.sock"),
    });
    expect(await plugins.find("p")).toEqual({ name: "p", kinds: new Set(["NetworkDriver"]) });
  });

  it("refuses one that does not say what it is", async () => {
    await using _ = await new FakePlugin({ "Plugin.Activate": {} }).listen({
      path: join(folders.sockets, "p.sock"),
    });
    await expect(plugins.find("p")).rejects.toThrow("does not say what it implements");
  });
});

describe("telling plugins of an end", () => {
  const ends = ["Leave", "DeleteEndpoint"].map((name) => `NetworkDriver.${name}`);
  const [leave = "", deleteEndpoint = ""] = ends;

  function withDebts(debts: DebtBook, endMs = 20_000) {
    return disposing(
      new Plugins({ folders, patienceMs: 20_000, newcomerMs: 0, endMs, debts, log: silentLog }),
    );
  }

  async function owed(debts: DebtBook): Promise<string[]> {
    return [...debts.entries()].map(([, { method }]) => method);
  }

  it("answers what the plugin says, when it is there", async () => {
    await using fake = await new FakePlugin({ ...activation, [leave]: { Err: "never heard of it" } }).listen({
      path: join(folders.sockets, "p.sock"),
    });
    expect(await plugins.caller("p").owe(leave, {})).toEqual({ Err: "never heard of it" });
    expect(fake.methods).toEqual(["Plugin.Activate", leave]);
  });

  it("waits once for one that hangs, and for nothing that follows", async () => {
    const debts = bookInMemory();
    await using those = withDebts(debts, 50);
    await using fake = await new FakePlugin({ ...activation, [leave]: () => undefined }).listen({
      path: join(folders.sockets, "p.sock"),
    });
    const caller = those.it.caller("p");
    expect(await caller.owe(leave, { EndpointID: "a" })).toBeUndefined();
    expect(await caller.owe(deleteEndpoint, { EndpointID: "a" })).toBeUndefined();
    expect(await owed(debts)).toEqual(ends);
    expect(fake.methods).not.toContain(deleteEndpoint);
    expect(those.it.isAway("p")).toBe(true);
    // what is asked of it says whose fault it is that nothing comes
    await expect(caller.call("NetworkDriver.Join", {})).rejects.toThrow(
      "plugin p: NetworkDriver.Leave: no answer within 0.05 s",
    );
    fake.answers[leave] = {};
    fake.answers[deleteEndpoint] = {};
    fake.answers["NetworkDriver.Join"] = { Gateway: "10.0.0.1" };
    const heard = fake.methods.length;
    // a machine that is slow to hear an answer asks again
    await expect
      .poll(() => caller.call("NetworkDriver.Join", {}).catch(String), { timeout: 20_000 })
      .toEqual({ Gateway: "10.0.0.1" });
    expect([...new Set(fake.methods.slice(heard))]).toEqual([leave, deleteEndpoint, "NetworkDriver.Join"]);
    expect(await owed(debts)).toEqual([]);
  });

  it("does it when the plugin is back, by itself, also from an earlier life's record, and drops what it refuses", async () => {
    const debts = bookInMemory();
    await debts.put("000000000001 p", { plugin: "p", method: leave, request: { EndpointID: "a" } });
    await debts.put("000000000002 p", { plugin: "p", method: deleteEndpoint, request: { EndpointID: "a" } });
    await using _those = withDebts(debts);
    await using fake = await new FakePlugin({ ...activation, [leave]: { Err: "no" } }).listen({
      path: join(folders.sockets, "p.sock"),
    });
    await expect.poll(() => owed(debts), { timeout: 20_000 }).toEqual([]);
    expect(fake.methods).toEqual(["Plugin.Activate", ...ends]);
  });

  it("does not take patience from the next call", async () => {
    await using those = withDebts(bookInMemory());
    const caller = those.it.caller("p");
    await caller.owe(leave, {});
    const joined = caller.call("NetworkDriver.Join", {});
    await using _fake = await new FakePlugin({ ...activation, [leave]: {}, "NetworkDriver.Join": {} }).listen(
      {
        path: join(folders.sockets, "p.sock"),
      },
    );
    expect(await joined).toEqual({});
  });

  it("shows that one was started anew", async () => {
    const path = join(folders.sockets, "p.sock");
    const caller = plugins.caller("p");
    expect(await caller.incarnation()).toBeUndefined();
    const first = await new FakePlugin(activation).listen({ path });
    const before = await caller.incarnation();
    expect(await caller.incarnation()).toBe(before);
    await first.stop();
    await using _second = await new FakePlugin(activation).listen({ path });
    expect(await caller.incarnation()).not.toBe(before);
  });
});
