// Managed plugins on the wire: names with slashes, what Docker's client sends, and what it reads.

import { afterEach, expect, test } from "vitest";
import type { PluginOperations } from "../../../src/engine/types.ts";
import { conflict, notFound } from "../../../src/util/errors.ts";
import { fakeEngine } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

let api: ServedApi;
afterEach(() => api[Symbol.asyncDispose]());

async function serve(plugins: Partial<PluginOperations>): Promise<void> {
  api = await ServedApi.create(fakeEngine({ plugins }));
}

test("a plugin is named by all that stands before the last word", async () => {
  const asked: unknown[] = [];
  await serve({
    inspect: (ref) => ({ Name: ref }),
    enable: async (...call) => void asked.push(call),
    disable: async (...call) => void asked.push(call),
    set: async (...call) => void asked.push(call),
    remove: async (...call) => void asked.push(call),
  });
  expect((await api.ask("GET", "/plugins/localhost:5000/v/net:1/json")).json()).toEqual({
    Name: "localhost:5000/v/net:1",
  });
  const statuses = [
    await api.ask("POST", "/plugins/v/net:1/enable?timeout=30"),
    await api.ask("POST", "/plugins/v/net/disable?force=1"),
    await api.ask("POST", "/plugins/net/set", { body: ["A=1"] }),
    await api.ask("DELETE", "/plugins/v/net"),
  ].map(({ status }) => status);
  expect(statuses).toEqual([200, 200, 204, 200]);
  expect(asked).toEqual([
    ["v/net:1", { timeoutS: 30 }],
    ["v/net", { force: true }],
    ["net", ["A=1"]],
    ["v/net", { force: false }],
  ]);
  expect((await api.ask("POST", "/plugins/v/net/nonsense")).status).toBe(404);
});

test("a pull says what the plugin is called, and then how it goes", async () => {
  const asked: unknown[] = [];
  await serve({
    pull(request) {
      asked.push(request);
      const progress = (async function* () {
        yield { status: "Pulling" };
      })();
      return { name: "net:latest", progress };
    },
  });
  const privileges = [{ Name: "network", Description: "", Value: ["host"] }];
  const answer = await api.ask("POST", "/plugins/pull?remote=localhost:5000/v/net&name=net", {
    body: privileges,
  });
  expect(answer.status).toBe(200);
  expect(answer.headers["docker-plugin-name"]).toBe("net:latest");
  expect(answer.text).toContain('{"status":"Pulling"}');
  expect(asked).toEqual([{ remote: "localhost:5000/v/net", name: "net", privileges }]);
});

test("a list knows its filters, and errors have Docker's statuses", async () => {
  await serve({
    list: (filters) => [{ Name: [...filters].join() }],
    inspect: () => {
      throw notFound('plugin "x" not found');
    },
    remove: () => Promise.reject(conflict("plugin x is enabled")),
  });
  const filters = encodeURIComponent(JSON.stringify({ enabled: { true: true } }));
  expect((await api.ask("GET", `/plugins?filters=${filters}`)).json()).toEqual([{ Name: "enabled,true" }]);
  const bad = encodeURIComponent(JSON.stringify({ color: { red: true } }));
  expect((await api.ask("GET", `/plugins?filters=${bad}`)).status).toBe(400);
  expect((await api.ask("GET", "/plugins/x/json")).status).toBe(404);
  expect((await api.ask("DELETE", "/plugins/x")).status).toBe(409);
  expect((await api.ask("POST", "/plugins/create")).status).toBe(400);
});
