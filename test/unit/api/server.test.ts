// The server before its routes: versions, errors, unknown paths.

import { expect, test } from "vitest";
import {
  conflict,
  forbidden,
  notFound,
  notImplemented,
  notModified,
  unavailable,
} from "../../../src/util/errors.ts";
import { containerView, fakeEngine, networkView } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

const oneNetwork = fakeEngine({ networks: { list: async () => [networkView()] } });

test("ping answers with the headers that clients negotiate by", async () => {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask("GET", "/_ping");
  expect(answer).toMatchObject({ status: 200, text: "OK" });
  expect(answer.headers).toMatchObject({
    "api-version": "1.51",
    ostype: "linux",
    server: "Docker/0.1.0 (linux)",
    "docker-experimental": "false",
    "builder-version": "1",
    swarm: "inactive",
    "cache-control": "no-cache, no-store, must-revalidate",
    pragma: "no-cache",
  });
});

test("HEAD ping answers the same without a body", async () => {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask("HEAD", "/_ping");
  expect(answer).toMatchObject({ status: 200, text: "" });
  expect(answer.headers).toMatchObject({ "api-version": "1.51", "content-length": "0", swarm: "inactive" });
  expect(answer.headers["content-type"]).toContain("text/plain");
});

test.each(["/networks", "/v1.24/networks", "/v1.44/networks", "/v1.51/networks"])(
  "%s is served",
  async (path) => {
    await using api = await ServedApi.create(oneNetwork);
    const answer = await api.ask("GET", path);
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.json()).toMatchObject([{ Name: "x1" }]);
  },
);

test("a client that is too old or too new is told the limits", async () => {
  await using api = await ServedApi.create(oneNetwork);
  const old = await api.ask("GET", "/v1.23/networks");
  expect(old.status).toBe(400);
  expect(old.json()).toEqual({
    message:
      "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
  });
  const young = await api.ask("GET", "/v1.99/networks");
  expect(young.status).toBe(400);
  expect(young.json()).toEqual({
    message: "client version 1.99 is too new. Maximum supported API version is 1.51",
  });
});

test.each([
  ["GET", "/nowhere"],
  ["GET", "/v1.x/networks"],
  ["PATCH", "/networks"],
  ["POST", "/session"],
  ["POST", "/grpc"],
  ["GET", "/images/nginx/wrong"],
])("%s %s is no page", async (method, path) => {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask(method, path);
  expect(answer.status).toBe(404);
  expect(answer.json()).toEqual({ message: "page not found" });
  expect(answer.headers["api-version"]).toBe("1.51");
});

test("OPTIONS is allowed anywhere", async () => {
  await using api = await ServedApi.create(fakeEngine());
  expect((await api.ask("OPTIONS", "/v1.44/anything")).status).toBe(200);
});

test.each([
  [notFound("network x9 not found"), 404],
  [conflict("in use"), 409],
  [forbidden("predefined"), 403],
  [unavailable("containerd is down"), 503],
  [notImplemented("overlay encryption needs ESP"), 501],
  [new Error("boom"), 500],
])("%s is answered by its status", async (error, status) => {
  const inspect = () => Promise.reject(error);
  await using api = await ServedApi.create(fakeEngine({ networks: { inspect } }));
  const answer = await api.ask("GET", "/networks/x9");
  expect(answer.status).toBe(status);
  expect(answer.json()).toEqual({ message: error.message });
});

test("starting what runs already is not modified, and has no body", async () => {
  const start = () => Promise.reject(notModified("container is already running"));
  await using api = await ServedApi.create(fakeEngine({ containers: { start } }));
  expect(await api.ask("POST", "/containers/c1/start")).toMatchObject({ status: 304, text: "" });
});

test("the swarm family is unavailable in Docker's words", async () => {
  await using api = await ServedApi.create(fakeEngine());
  for (const path of ["/services", "/nodes", "/swarm", "/secrets", "/configs", "/tasks"]) {
    const answer = await api.ask("GET", path);
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('This node is not a swarm manager. Use \\"docker swarm init\\"');
  }
  expect((await api.ask("POST", "/swarm/leave")).status).toBe(503);
  expect((await api.ask("POST", "/build")).status).toBe(501);
});

test("bodies are checked as Docker checks them", async () => {
  const create = async () => ({ id: "1", warning: "" });
  await using api = await ServedApi.create(fakeEngine({ networks: { create } }));
  const post = (body: string, type = "application/json") =>
    api.ask("POST", "/networks/create", { body, headers: { "Content-Type": type } });
  expect((await post('{"Name":"x1"}')).status).toBe(201);
  expect((await post('{"name":"x1","Unknown":1}', "application/json; charset=utf-8")).status).toBe(201);
  expect((await post('{"Name":"x1"}', "text/plain")).json()).toEqual({
    message: "unsupported Content-Type header (text/plain): must be 'application/json'",
  });
  expect((await post('{"Name":"x1"} {}')).json()).toEqual({ message: "unexpected content after JSON" });
  expect((await post('{"Name":')).text).toContain("invalid JSON: ");
  expect((await post('{"Name":7}')).json()).toEqual({
    message:
      "invalid JSON: json: cannot unmarshal number into Go struct field NetworkCreateRequest.Name of type string",
  });
  expect(await post('{"Name":7}')).toMatchObject({ status: 400 });
});

test("unknown and malformed filters are refused", async () => {
  await using api = await ServedApi.create(oneNetwork);
  const list = (filters: string) => api.ask("GET", `/networks?filters=${encodeURIComponent(filters)}`);
  expect((await list('{"name":{"x1":true}}')).status).toBe(200);
  expect((await list('{"name":["x1"]}')).status).toBe(200);
  expect((await list('{"colour":["red"]}')).json()).toEqual({ message: "invalid filter 'colour'" });
  expect((await list('{"dangling":["maybe"]}')).json()).toEqual({
    message: "invalid filter 'dangling=maybe'",
  });
  expect((await list("[1]")).status).toBe(400);
  expect((await list("{")).status).toBe(400);
  expect((await list('{"__proto__":["x"]}')).status).toBe(400);
});

test("a container inspected by an old client has the settings of the default bridge at the top", async () => {
  const inspect = async () => containerView();
  await using api = await ServedApi.create(fakeEngine({ containers: { inspect } }));
  const answer = await api.ask("GET", "/v1.44/containers/c1/json");
  expect(answer.json()).toMatchObject({ Name: "/c1", NetworkSettings: { IPAddress: "", Ports: {} } });
});
