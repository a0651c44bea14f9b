// Whole commands against a fake engine: what they ask, what they print, how they end.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

describe("networks", () => {
  it("are listed by name in natural order", async () => {
    const network = (Name: string, Id: string) => ({
      Id,
      Name,
      Driver: "bridge",
      Scope: "local",
      Created: "",
      Labels: {},
    });
    engine.json("GET /networks", [network("x10", "b".repeat(64)), network("x2", "a".repeat(64))]);
    expect((await engine.run("network", "ls")).stdout).toBe(
      "NETWORK ID     NAME      DRIVER    SCOPE\naaaaaaaaaaaa   x2        bridge    local\nbbbbbbbbbbbb   x10       bridge    local\n",
    );
  });

  it("are created from flags, and print their id", async () => {
    engine.json("POST /networks/create", { Id: id, Warning: "" }, 201);
    const { stdout } = await engine.run(
      "network",
      "create",
      "--subnet",
      "10.0.0.0/24",
      "--ipv6",
      "-o",
      "a=b",
      "x1",
    );
    expect(stdout).toBe(`${id}\n`);
    expect(engine.lastBody()).toMatchObject({
      Name: "x1",
      Driver: "bridge",
      EnableIPv6: true,
      IPAM: { Driver: "default", Config: [{ Subnet: "10.0.0.0/24" }] },
      Options: { a: "b" },
    });
    expect(engine.lastBody()).not.toHaveProperty("EnableIPv4");
  });

  it("that cannot be removed are told one by one, exit status 1", async () => {
    engine.on("DELETE /networks/a", (_, response) => void response.writeHead(204).end());
    engine.refuse("DELETE /networks/b", 403, "network b has active endpoints");
    expect(await engine.run("network", "rm", "b", "a")).toEqual({
      stdout: "a\n",
      stderr: "Error response from daemon: network b has active endpoints\nexit status 1\n",
      exitCode: 1,
    });
  });

  it("are pruned after a question, which no is the answer to without a terminal", async () => {
    engine.json("POST /networks/prune", { NetworksDeleted: ["x1"] });
    expect((await engine.run("network", "prune", "-f")).stdout).toBe("Deleted Networks:\nx1\n\n");
  });
});

describe("inspect", () => {
  it("prints what the daemon sent, laid out", async () => {
    engine.json("GET /networks/x1", '{"Name":"x1","Labels":{"2":"b","1":"a"},"N":1.0}\n');
    expect((await engine.run("network", "inspect", "x1")).stdout).toBe(
      `[
    {
        "Name": "x1",
        "Labels": {
            "2": "b",
            "1": "a"
        },
        "N": 1.0
    }
]
`,
    );
    expect((await engine.run("network", "inspect", "-f", "json", "x1")).stdout).toBe(
      '[{"Name":"x1","Labels":{"2":"b","1":"a"},"N":1.0}]\n',
    );
    expect(
      (await engine.run("network", "inspect", "-f", "{{json .Labels}} {{.Labels.none}}", "x1")).stdout,
    ).toBe('{"1":"a","2":"b"} <no value>\n');
  });

  it("prints what is there and fails for what is not", async () => {
    engine.json("GET /networks/x1", { Name: "x1" });
    engine.refuse("GET /networks/x2", 404, "network x2 not found");
    expect(await engine.run("network", "inspect", "x2", "-f", "{{.Name}}", "x1")).toEqual({
      stdout: "x1\n",
      stderr: "Error response from daemon: network x2 not found\n",
      exitCode: 1,
    });
    expect((await engine.run("network", "inspect", "x2")).stdout).toBe("[]\n");
  });

  it("without a type looks for a container, an image, a network, a volume, a plugin", async () => {
    expect(await engine.run("inspect", "x")).toMatchObject({
      exitCode: 1,
      stdout: "[]\n",
      stderr: "Error: No such object: x\n",
    });
    expect(engine.lines).toEqual([
      "GET /containers/x/json",
      "GET /images/x/json",
      "GET /networks/x",
      "GET /volumes/x",
      "GET /plugins/x/json",
    ]);
  });

  it("refuses a template that is none with exit code 64", async () => {
    expect(await engine.run("network", "inspect", "-f", "{{", "x")).toMatchObject({
      exitCode: 64,
      stderr: "template parsing error: template: :1: unclosed action\n",
    });
  });
});

describe("images", () => {
  const image = (fields: object = {}) => ({
    Id: `sha256:${"cd".repeat(32)}`,
    Created: Math.floor(Date.now() / 1000) - 86_400 * 3,
    Size: 187_654_321,
    SharedSize: -1,
    Containers: -1,
    RepoTags: ["nginx:latest", "nginx:1.27"],
    RepoDigests: [`nginx@sha256:${"ef".repeat(32)}`],
    Labels: null,
    ...fields,
  });

  it("have a row per tag", async () => {
    engine.json("GET /images/json", [
      image(),
      image({ RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] }),
    ]);
    expect((await engine.run("images")).stdout).toBe(
      "REPOSITORY   TAG       IMAGE ID       CREATED      SIZE\n" +
        "nginx        latest    cdcdcdcdcdcd   3 days ago   188MB\n" +
        "nginx        1.27      cdcdcdcdcdcd   3 days ago   188MB\n" +
        "<none>       <none>    cdcdcdcdcdcd   3 days ago   188MB\n",
    );
  });

  it("show digests when asked, and digest-only names always", async () => {
    engine.json("GET /images/json", [image({ RepoTags: [] })]);
    expect((await engine.run("images", "--format", "{{.Repository}}:{{.Tag}}")).stdout).toBe(
      "nginx:<none>\n",
    );
    expect((await engine.run("images", "--digests")).stdout).toContain(`sha256:${"ef".repeat(32)}`);
  });

  it("are asked for by name, with a hint for who meant a verb", async () => {
    engine.json("GET /images/json", []);
    const { stderr } = await engine.run("images", "ls");
    expect(stderr).toBe('\nNo images found matching "ls": did you mean "tsdocker image ls"?\n');
    expect(JSON.parse(engine.asked.at(-1)?.query.get("filters") ?? "")).toEqual({ reference: { ls: true } });
  });

  it("are removed with what became of them", async () => {
    engine.json("DELETE /images/nginx", [{ Untagged: "nginx:latest" }, { Deleted: "sha256:1" }]);
    engine.refuse("DELETE /images/gone", 404, "No such image: gone");
    expect((await engine.run("rmi", "nginx")).stdout).toBe("Untagged: nginx:latest\nDeleted: sha256:1\n");
    expect(await engine.run("rmi", "-f", "gone")).toMatchObject({ exitCode: 0 });
    expect(await engine.run("rmi", "gone")).toMatchObject({ exitCode: 1 });
  });

  it("are pulled with credentials from the settings, and an error of the stream fails", async () => {
    const auth = Buffer.from("me:secret").toString("base64");
    writeFileSync(
      `${engine.folder}/config.json`,
      JSON.stringify({ auths: { "reg.example:5000": { auth } } }),
    );
    engine.on(
      "POST /images/create",
      (_, response) => void response.end('{"errorDetail":{"message":"denied"}}\n'),
    );
    expect(await engine.run("pull", "reg.example:5000/app")).toEqual({
      stdout: "Using default tag: latest\n",
      stderr: "denied\n",
      exitCode: 1,
    });
    const header = String(engine.asked.at(-1)?.headers["x-registry-auth"]);
    expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({
      username: "me",
      password: "secret",
      serveraddress: "reg.example:5000",
    });
  });
});

describe("login and logout", () => {
  it("keep credentials in the settings and take them out, the rest untouched", async () => {
    writeFileSync(`${engine.folder}/config.json`, '{"other":1}');
    engine.json("POST /auth", { Status: "Login Succeeded" });
    expect((await engine.run("login", "-u", "me", "-p", "secret", "https://reg.example/v2/")).stdout).toBe(
      "Login Succeeded\n",
    );
    const settings = () => JSON.parse(readFileSync(`${engine.folder}/config.json`, "utf8"));
    expect(settings()).toEqual({
      other: 1,
      auths: { "reg.example": { auth: Buffer.from("me:secret").toString("base64") } },
    });
    expect((await engine.run("logout", "reg.example")).stdout).toBe(
      "Removing login credentials for reg.example\n",
    );
    expect(settings()).toEqual({ other: 1, auths: {} });
  });

  it("keep nothing when the registry refuses", async () => {
    engine.refuse("POST /auth", 401, "unauthorized");
    expect(await engine.run("login", "-u", "me", "-p", "bad", "reg.example")).toMatchObject({ exitCode: 1 });
    expect(() => readFileSync(`${engine.folder}/config.json`)).toThrow();
  });
});

describe("events", () => {
  const event = {
    Type: "network",
    Action: "connect",
    Actor: { ID: "n1", Attributes: { container: "c1", name: "x1" } },
    scope: "local",
    time: 1,
  };

  it("are a line each", async () => {
    const stream = `${JSON.stringify(event).slice(0, -1)},"timeNano":1763830000123456789}\n`;
    engine.on("GET /events", (_, response) => void response.end(stream));
    const { stdout } = await engine.run("events");
    expect(stdout).toMatch(
      /^2025-11-22T\d\d:46:40\.123456789\S* network connect n1 \(container=c1, name=x1\)\n$/,
    );
    expect(
      (await engine.run("events", "--format", "{{.Action}} {{.Actor.Attributes.name}} {{.TimeNano}}")).stdout,
    ).toBe("connect x1 1763830000123456789\n");
    expect((await engine.run("events", "--format", "json")).stdout).toBe(stream);
  });

  it("refuse a template with a field they have not", async () => {
    expect(await engine.run("events", "--format", "{{.Nope}}")).toMatchObject({ exitCode: 64 });
  });
});

describe("contexts", () => {
  it("name the daemon", async () => {
    const name = "c7a4ee1a2b4ab9f9b1f2dc8d3a6a4f3a"; // any name: its folder is its hash
    const { createHash } = await import("node:crypto");
    const hash = createHash("sha256").update(name).digest("hex");
    mkdirSync(`${engine.folder}/contexts/meta/${hash}`, { recursive: true });
    writeFileSync(
      `${engine.folder}/contexts/meta/${hash}/meta.json`,
      JSON.stringify({ Name: name, Endpoints: { docker: { Host: engine.host } } }),
    );
    engine.json("GET /networks", []);
    expect((await engine.run("-c", name, "network", "ls", "-q")).exitCode).toBe(0);
    expect((await engine.run("-c", "nope", "ps")).stderr).toContain('context "nope": context not found');
  });
});
