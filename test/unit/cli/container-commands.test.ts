// Commands on containers against a fake engine: what they ask, what they print, how they end.

import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeEngine } from "./fake-engine.ts";

const id = "ab".repeat(32);
let engine: FakeEngine;
beforeEach(async () => {
  engine = await FakeEngine.create();
});
afterEach(() => engine[Symbol.asyncDispose]());

const container = (fields: object = {}) => ({
  Id: id,
  Names: ["/web"],
  Image: "nginx:1.27",
  ImageID: `sha256:${"cd".repeat(32)}`,
  Command: "nginx -g 'daemon off;'",
  Created: Math.floor(Date.now() / 1000) - 7200,
  Ports: [{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }],
  Labels: { a: "1" },
  State: "running",
  Status: "Up 2 hours",
  Mounts: [],
  ...fields,
});

describe("ps", () => {
  it("is a table of what runs", async () => {
    engine.json("GET /containers/json", [container()]);
    const { stdout } = await engine.run("ps");
    expect(stdout).toBe(
      "CONTAINER ID   IMAGE        COMMAND                  CREATED       STATUS       PORTS                  NAMES\n" +
        'abababababab   nginx:1.27   "nginx -g \'daemon of…"   2 hours ago   Up 2 hours   0.0.0.0:8080->80/tcp   web\n',
    );
    expect(engine.lines).toEqual(["GET /containers/json"]);
  });

  it("asks with its filters and bounds", async () => {
    engine.json("GET /containers/json", []);
    await engine.run("ps", "-a", "-n", "3", "-f", "name=a", "-f", "Name=b", "-f", "status=exited");
    const query = engine.asked.at(-1)?.query;
    expect(query?.get("all")).toBe("1");
    expect(query?.get("limit")).toBe("3");
    expect(JSON.parse(query?.get("filters") ?? "")).toEqual({
      name: { a: true, b: true },
      status: { exited: true },
    });
  });

  it("asks for sizes only when they are shown", async () => {
    engine.json("GET /containers/json", [container({ SizeRw: 2000, SizeRootFs: 1_500_000 })]);
    expect((await engine.run("ps", "--format", "{{.Names}} {{.Size}}")).stdout).toBe(
      "web 2kB (virtual 1.5MB)\n",
    );
    await engine.run("ps", "--format", "{{.Names}}");
    expect(engine.lines).toEqual(["GET /containers/json?size=1", "GET /containers/json"]);
  });

  it("refuses a bad template before it asks", async () => {
    expect(await engine.run("ps", "--format", "{{.Nope}}")).toMatchObject({
      exitCode: 1,
      stderr:
        'failed to execute template: template: :1:2: executing "" at <.Nope>: can\'t evaluate field Nope in type *formatter.ContainerContext\n',
    });
    expect((await engine.run("ps", "--format", "{{.ID")).stderr).toBe(
      "failed to parse template: template: :1: unclosed action\n",
    );
    expect(engine.asked).toEqual([]);
  });

  it("takes its format from the settings, unless one is given", async () => {
    engine.json("GET /containers/json", [container()]);
    writeFileSync(`${engine.folder}/config.json`, '{"psFormat":"{{.Names}}"}');
    expect((await engine.run("ps")).stdout).toBe("web\n");
    expect((await engine.run("ps", "--format", "{{.State}}")).stdout).toBe("running\n");
  });
});

describe("the verbs on containers", () => {
  it("print each name that went well, then what did not", async () => {
    engine.on("POST /containers/a/stop", (_, response) => void response.writeHead(204).end());
    engine.refuse("POST /containers/b/stop", 404, "No such container: b");
    engine.on("POST /containers/c/stop", (_, response) => void response.writeHead(304).end());
    expect(await engine.run("stop", "-t", "0", "-s", "INT", "a", "b", "c")).toEqual({
      stdout: "a\nc\n",
      stderr: "Error response from daemon: No such container: b\n",
      exitCode: 1,
    });
    expect(engine.lines.toSorted()[0]).toBe("POST /containers/a/stop?signal=INT&t=0");
  });

  it("rm -f takes what is gone for removed", async () => {
    engine.refuse("DELETE /containers/a", 404, "No such container: a");
    expect(await engine.run("rm", "-f", "a")).toMatchObject({
      exitCode: 0,
      stdout: "",
      stderr: "Error response from daemon: No such container: a\n",
    });
    expect(await engine.run("rm", "a")).toMatchObject({ exitCode: 1 });
  });

  it("start tells which could not be started", async () => {
    engine.on("POST /containers/a/start", (_, response) => void response.writeHead(204).end());
    engine.refuse("POST /containers/b/start", 500, "no");
    expect(await engine.run("start", "b", "a")).toEqual({
      stdout: "a\n",
      stderr: "Error response from daemon: no\nError: failed to start containers: b\n",
      exitCode: 1,
    });
  });

  it("port lists bindings, or one", async () => {
    const Ports = {
      "80/tcp": [{ HostIp: "::", HostPort: "8080" }],
      "53/udp": null,
      "9/tcp": [{ HostIp: "0.0.0.0", HostPort: "9" }],
    };
    engine.json("GET /containers/web/json", { Id: id, NetworkSettings: { Ports } });
    expect((await engine.run("port", "web")).stdout).toBe("9/tcp -> 0.0.0.0:9\n80/tcp -> [::]:8080\n");
    expect((await engine.run("port", "web", "80")).stdout).toBe("[::]:8080\n");
    expect((await engine.run("port", "web", "53/udp")).stderr).toBe(
      "Error: No public port '53/udp' published for web\n",
    );
  });

  it("port add publishes and shows where, port rm unpublishes", async () => {
    const Ports = {
      "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }],
      "9/tcp": [{ HostIp: "::", HostPort: "9" }],
    };
    engine.json("POST /containers/web/ports", { Ports });
    expect(await engine.run("port", "add", "web", "8080:80", "127.0.0.1::53/udp")).toEqual({
      stdout: "80/tcp -> 0.0.0.0:8080\n",
      stderr: "",
      exitCode: 0,
    });
    expect((await engine.run("container", "port", "rm", "web", "80", "8081:81")).stdout).toBe("");
    const bodies = engine.asked
      .filter(({ path }) => path.endsWith("/ports"))
      .map(({ body }) => JSON.parse(body));
    expect(bodies).toEqual([
      {
        Add: {
          "80/tcp": [{ HostIp: "", HostPort: "8080" }],
          "53/udp": [{ HostIp: "127.0.0.1", HostPort: "" }],
        },
      },
      {
        Remove: {
          "80/tcp": [{ HostIp: "", HostPort: "" }],
          "81/tcp": [{ HostIp: "", HostPort: "8081" }],
        },
      },
    ]);
    expect((await engine.run("port", "add", "web", "80:x")).stderr).toContain("invalid containerPort: x");
  });

  it("port of a container called add is still to be had, and too many arguments are refused", async () => {
    engine.json("GET /containers/add/json", {
      Id: id,
      NetworkSettings: { Ports: { "80/tcp": [{ HostIp: "::", HostPort: "1" }] } },
    });
    expect((await engine.run("port", "add")).stdout).toBe("80/tcp -> [::]:1\n");
    expect((await engine.run("port", "add", "80")).stdout).toBe("[::]:1\n");
    expect((await engine.run("port", "add", "web")).stderr).toContain(
      "'tsdocker port add' requires a container and at least one port",
    );
    expect((await engine.run("port", "web", "80", "81")).stderr).toContain(
      "'tsdocker port' requires at least 1 and at most 2 arguments",
    );
  });

  it("wait prints exit codes", async () => {
    engine.json("POST /containers/web/wait", { StatusCode: 137 });
    expect((await engine.run("wait", "web")).stdout).toBe("137\n");
  });

  it("logs goes by whether there was a terminal", async () => {
    const frame = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 4]), Buffer.from("bad\n")]);
    engine.json("GET /containers/web/json", { Id: id, Config: { Tty: false } });
    engine.on(`GET /containers/${id}/logs`, (_, response) => void response.end(frame));
    expect(await engine.run("logs", "--tail", "5", "web")).toMatchObject({ stdout: "", stderr: "bad\n" });
    expect(engine.lines[1]).toContain("stderr=1&stdout=1&tail=5");
    engine.json("GET /containers/web/json", { Id: id, Config: { Tty: true } });
    engine.on(`GET /containers/${id}/logs`, (_, response) => void response.end("raw\r\n"));
    expect(await engine.run("logs", "web")).toMatchObject({ stdout: "raw\r\n", stderr: "" });
  });
});

describe("create and run", () => {
  it("pull an image that is not there, and create again", async () => {
    let tries = 0;
    engine.on("POST /containers/create", (_, response) => {
      const there = tries++ > 0;
      response.writeHead(there ? 201 : 404, { "Content-Type": "application/json" });
      response.end(
        JSON.stringify(there ? { Id: id, Warnings: ["mind this"] } : { message: "No such image: x:latest" }),
      );
    });
    engine.on("POST /images/create", (_, response) => {
      response.end('{"status":"Pulling from library/x","id":"latest"}\n{"status":"Status: Downloaded"}\n');
    });
    expect(await engine.run("create", "--name", "c1", "x")).toEqual({
      stdout: `${id}\n`,
      stderr:
        "Unable to find image 'x:latest' locally\nlatest: Pulling from library/x\nStatus: Downloaded\nWARNING: mind this\n",
      exitCode: 0,
    });
    expect(engine.lines[1]).toBe(
      "POST /images/create?fromImage=docker.io/library/x&tag=latest"
        .replaceAll("/l", "%2Fl")
        .replace("/x", "%2Fx"),
    );
  });

  it("do not pull with --pull never", async () => {
    engine.refuse("POST /containers/create", 404, "No such image: x:latest");
    expect(await engine.run("run", "--pull", "never", "x")).toMatchObject({
      exitCode: 125,
      stderr:
        "tsdocker: Error response from daemon: No such image: x:latest\n\nRun 'tsdocker run --help' for more information\n",
    });
    expect(engine.lines).toEqual(["POST /containers/create"]);
  });

  it("print the id and start, detached", async () => {
    engine.json("POST /containers/create", { Id: id, Warnings: [] }, 201);
    engine.on(`POST /containers/${id}/start`, (_, response) => void response.writeHead(204).end());
    expect(await engine.run("run", "-d", "--sig-proxy=false", "x", "cmd", "-d")).toEqual({
      stdout: `${id}\n`,
      stderr: "",
      exitCode: 0,
    });
    expect(engine.lines).toEqual(["POST /containers/create", `POST /containers/${id}/start`]);
  });

  it.each([
    ['exec: "nope": executable file not found in $PATH', 127],
    ['exec: "/etc": permission denied', 126],
    ["driver failed programming external connectivity", 125],
  ])("end by what start says: %s is %i", async (message, exitCode) => {
    engine.json("POST /containers/create", { Id: id, Warnings: [] }, 201);
    engine.refuse(`POST /containers/${id}/start`, 500, message);
    expect(await engine.run("run", "-d", "--sig-proxy=false", "x")).toMatchObject({ exitCode });
  });

  it("write --cidfile, and leave none behind when nothing was made", async () => {
    const path = `${engine.folder}/cid`;
    engine.refuse("POST /containers/create", 409, "name is taken");
    await engine.run("create", "--cidfile", path, "x");
    expect(() => readFileSync(path)).toThrow();
    engine.json("POST /containers/create", { Id: id }, 201);
    await engine.run("create", "--cidfile", path, "x");
    expect(readFileSync(path, "utf8")).toBe(id);
    expect((await engine.run("create", "--cidfile", path, "x")).stderr).toBe(
      `container ID file found, make sure the other container isn't running or delete ${path}\n`,
    );
  });

  it("refuse a flag that the daemon's API does not know yet", async () => {
    engine.apiVersion = "1.41";
    expect(await engine.run("create", "--annotation", "a=b", "x")).toMatchObject({
      exitCode: 1,
      stderr: '"--annotation" requires API version 1.43, but the Docker daemon API version is 1.41\n',
    });
  });

  it("give containers the settings' proxies, in both spellings", async () => {
    writeFileSync(`${engine.folder}/config.json`, '{"proxies":{"default":{"httpProxy":"http://192.0.2.1"}}}');
    engine.json("POST /containers/create", { Id: id }, 201);
    await engine.run("create", "-e", "http_proxy=own", "x");
    expect(engine.lastBody()).toMatchObject({ Env: ["HTTP_PROXY=http://192.0.2.1", "http_proxy=own"] });
  });
});
