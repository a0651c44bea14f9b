// Commands against a fake engine, those on containers aside: what they ask, what they print, how they end.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeEngine } from "./fake-engine.ts";

const id = "ab".repeat(32);
let engine: FakeEngine;
beforeEach(async () => {
  engine = await FakeEngine.create();
});
afterEach(() => engine[Symbol.asyncDispose]());

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
