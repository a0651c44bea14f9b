// Conversations between a daemon and a plugin: recorded as they are, played against another plugin, and in place of one.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConversation } from "../../../../src/cli/commands/driver/conversation.ts";
import { type Played, playAgainst, playPlugin } from "../../../../src/cli/commands/driver/player.ts";
import { startRecorder } from "../../../../src/cli/commands/driver/recorder.ts";
import { askPlugin } from "../../../../src/cli/commands/driver/sockets.ts";
import { runCli } from "../fake-engine.ts";
import { answersOf, dialogue, endpointId, networkId, PluginFolder } from "./fake-driver.ts";

let folder: PluginFolder;
beforeEach(async () => {
  folder = await PluginFolder.create();
});
afterEach(() => folder[Symbol.asyncDispose]());

/** What a daemon hears when it speaks to a socket. */
async function converse(socket: string): Promise<object[]> {
  let said: Readonly<Record<string, string>> = {};
  const heard: object[] = [];
  for (const [method, request] of dialogue) {
    const body = request(said);
    const answer = await askPlugin(socket, { method, body: body === undefined ? "" : JSON.stringify(body) });
    const response = JSON.parse(answer.body);
    said = { ...said, ...response };
    heard.push(response);
  }
  return heard;
}

/** Records what the plugin of this seed says; answers with the file. */
async function recorded(seed = 1): Promise<string> {
  const socket = await folder.serve(`real-${seed}.sock`, answersOf(seed));
  const [listen, file] = [folder.file("listen.sock"), folder.file("conversation.jsonl")];
  const recorder = await startRecorder({ socket, listen, file });
  await converse(listen);
  await recorder.close();
  folder.heard.length = 0;
  return file;
}

async function play(file: string, socket: string, sandbox?: string): Promise<Played[]> {
  const options = { socket, ...(sandbox !== undefined && { sandbox }) };
  const played: Played[] = [];
  for await (const each of playAgainst(readConversation(file), options)) played.push(each);
  return played;
}

const worded = (played: readonly Played[]) =>
  played.flatMap(({ call, differences }) => differences.map((each) => `${call.method}: ${each}`));

describe("recording", () => {
  test("passes everything on as it is, and writes each call down", async () => {
    const socket = await folder.serve("real.sock", answersOf(1));
    const [listen, file] = [folder.file("deep/listen.sock"), folder.file("c.jsonl")];
    const direct = await askPlugin(socket, { method: "NetworkDriver.GetCapabilities", body: "" });
    const recorder = await startRecorder({ socket, listen, file });
    const through = await askPlugin(listen, { method: "NetworkDriver.GetCapabilities", body: "" });
    expect(through).toMatchObject({ status: 200, body: direct.body });
    expect(through.headers["content-type"]).toBe("application/x-ours");
    expect(folder.heard[1]).toEqual({ ...folder.heard[0], headers: expect.anything() });
    await converse(listen);
    await recorder.close();
    const calls = readConversation(file);
    expect(calls.map(({ method }) => method)).toEqual([
      "NetworkDriver.GetCapabilities",
      ...dialogue.map(([method]) => method),
    ]);
    expect(calls[0]).toMatchObject({ request: null, status: 200, response: { Scope: "local" } });
    expect(calls.at(-1)?.request).toMatchObject({ NetworkID: networkId });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("keeps what is no JSON, refusals and breaks as they were", async () => {
    const socket = await folder.serve("real.sock", {});
    const [listen, file] = [folder.file("listen.sock"), folder.file("c.jsonl")];
    const recorder = await startRecorder({ socket, listen, file });
    const refused = await askPlugin(listen, { method: "NetworkDriver.Join", body: "{no json" });
    expect([refused.status, refused.body]).toEqual([404, "no such method"]);
    await recorder.close();
    const gone = await startRecorder({
      socket: folder.file("nobody.sock"),
      listen,
      file: folder.file("d.jsonl"),
    });
    await expect(askPlugin(listen, { method: "Plugin.Activate", body: "" })).rejects.toThrow(
      "socket hang up",
    );
    await gone.close();
    expect(readConversation(file)[0]).toMatchObject({
      request: "{no json",
      status: 404,
      response: "no such method",
    });
    expect(readConversation(folder.file("d.jsonl"))[0]).toMatchObject({ status: 0 });
  });

  test("does not take a socket from somebody who listens there", async () => {
    const socket = await folder.serve("real.sock", {});
    const options = { socket, listen: socket, file: folder.file("c.jsonl") };
    await expect(startRecorder(options)).rejects.toThrow("somebody listens there");
  });
});

describe("a conversation that is played against a plugin", () => {
  test("is the same with the same plugin, with new ids each time", async () => {
    const file = await recorded();
    const socket = folder.file("real-1.sock");
    expect(worded(await play(file, socket))).toEqual([]);
    expect(worded(await play(file, socket))).toEqual([]);
    const ids = folder.heard.flatMap(({ body }) => (body === "" ? [] : (JSON.parse(body).NetworkID ?? [])));
    expect(new Set(ids).size).toBe(2);
    expect(ids).not.toContain(networkId);
    expect(ids[0]).toHaveLength(64);
  });

  test("may have other addresses, pools and links, which are used from then on", async () => {
    const file = await recorded();
    expect(
      worded(await play(file, await folder.serve("other.sock", answersOf(7)), "/run/netns/mine")),
    ).toEqual([]);
    const said = folder.heard.map(({ body }) => (body === "" ? {} : JSON.parse(body)));
    expect(said[2]).toMatchObject({ PoolID: "pool-7" });
    expect(said[3].IPv4Data).toEqual([{ Pool: "10.7.0.0/24", Gateway: "10.1.0.1/24" }]);
    expect(said[4].SandboxKey).toBe("/run/netns/mine");
  });

  const join = (answer: object) => ({ ...answersOf(1), "NetworkDriver.Join": () => answer });
  const link = { SrcName: "x", DstPrefix: "eth" };

  test.each([
    ["refuses", { Err: "out of wire" }, "succeeded, and is refused: out of wire"],
    ["leaves something out", { InterfaceName: link }, 'Gateway: was "10.1.0.1", is nothing'],
    [
      "adds something",
      { interfacename: link, Gateway: "10.1.0.1", StaticRoutes: [{ RouteType: 1 }] },
      'StaticRoutes: was nothing, is [{"RouteType":1}]',
    ],
    [
      "answers another word",
      { InterfaceName: { ...link, DstPrefix: "net" }, Gateway: "10.1.0.1" },
      'InterfaceName.DstPrefix: was "eth", is "net"',
    ],
    [
      "answers another family",
      { InterfaceName: link, Gateway: "2001:db8::1" },
      'Gateway: was "10.1.0.1", is "2001:db8::1"',
    ],
    [
      "contradicts itself",
      { InterfaceName: link, Gateway: "10.1.0.1", Pool: "10.1.0.0/24" },
      "Pool: was nothing",
    ],
  ])("tells when the plugin %s", async (_, answer, words) => {
    const file = await recorded();
    expect(worded(await play(file, await folder.serve("other.sock", join(answer)))).join()).toContain(
      `NetworkDriver.Join: ${words}`,
    );
  });

  test("holds a plugin to what it chose", async () => {
    const file = await recorded();
    const fickle = {
      ...answersOf(7),
      "NetworkDriver.Join": () => ({ InterfaceName: link, Gateway: "10.8.0.1" }),
    };
    const lines = readFileSync(file, "utf8").trim().split("\n");
    // the recording named the gateway twice
    const again = JSON.parse(lines.at(-1) ?? "");
    const later = { ...again, response: { InterfaceName: link, Gateway: "10.1.0.2" } };
    writeFileSync(file, [...lines.slice(0, -1), JSON.stringify(later)].join("\n"));
    expect(worded(await play(file, await folder.serve("fickle.sock", fickle))).join()).toContain(
      "Gateway: was 10.1.0.2, which is 10.7.0.2 here, and is 10.8.0.1",
    );
  });

  test("ends where nobody listens: that says nothing of the answers", async () => {
    const file = await recorded();
    await expect(play(file, folder.file("nobody.sock"))).rejects.toThrow(
      /: nobody listens on .*nobody\.sock/,
    );
  });
});

describe("a conversation that is played in place of the plugin", () => {
  test("answers the daemon as the plugin did, in the daemon's own words", async () => {
    const file = await recorded();
    const listen = folder.file("played.sock");
    const unknown: string[] = [];
    const server = await playPlugin(readConversation(file), {
      listen,
      onCall: (method, isKnown) => void (isKnown || unknown.push(method)),
    });
    expect(await converse(listen)).toEqual(await converse(await folder.serve("again.sock", answersOf(1))));
    const other = { NetworkID: "ef".repeat(32), EndpointID: endpointId, SandboxKey: "/elsewhere" };
    const answer = await askPlugin(listen, { method: "NetworkDriver.Join", body: JSON.stringify(other) });
    expect(answer.status).toBe(200);
    expect((await askPlugin(listen, { method: "NetworkDriver.Leave", body: "{}" })).status).toBe(404);
    expect(unknown).toEqual(["NetworkDriver.Leave"]);
    await server.close();
  });
});

describe("the commands", () => {
  test("replay prints each call, and ends with 1 when something differs", async () => {
    const file = await recorded();
    const same = await runCli(["driver", "replay", file, "--against", folder.file("real-1.sock")], {});
    expect(same.exitCode).toBe(0);
    expect(same.stdout).toMatch(/^ok {6}Plugin\.Activate {2}\d+\.\d ms \(was \d+\.\d ms\)\n/);
    expect(same.stdout).toContain("5 calls, 0 with differences");
    const silent = await folder.serve("silent.sock", { ...answersOf(1), "Plugin.Activate": () => ({}) });
    const other = await runCli(["driver", "replay", file, "--against", silent], {});
    expect(other.exitCode).toBe(1);
    expect(other.stdout).toContain('Implements: was ["NetworkDriver","IpamDriver"], is nothing');
  });

  test.each([
    [["replay", "f"], "one of --against and --serve is needed"],
    [["replay", "/nowhere", "--against", "s"], "no such file"],
    [["record", "--socket", "s", "--listen", "l"], "--output is needed"],
  ])("refuse %j in words", async (words, message) => {
    const { exitCode, stderr } = await runCli(["driver", ...words], {});
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(message);
  });

  test.each([
    ["{", ":1: "],
    ['{"method": "A"}', ":1: no call"],
    ["\n\n", "there are no calls in it"],
  ])("say where a file is none: %j", (text, message) => {
    writeFileSync(folder.file("bad"), text);
    expect(() => readConversation(folder.file("bad"))).toThrow(message);
  });
});
