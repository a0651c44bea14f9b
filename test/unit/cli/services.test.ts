// `network service`: what is asked of the engine, and what is shown.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parsePublishedPorts, parseServicePorts } from "../../../src/cli/options/service-ports.ts";
import { FakeEngine } from "./fake-engine.ts";

let engine: FakeEngine;
beforeEach(async () => {
  engine = await FakeEngine.create();
});
afterEach(() => engine[Symbol.asyncDispose]());

const web = {
  Name: "web",
  NetworkID: "b1",
  NetworkName: "blue",
  VIPs: ["10.0.0.5", "fd00::5"],
  Ports: [{ Protocol: "tcp", PublishedPort: 8080, TargetPort: 80 }],
  Endpoints: [{ Ready: true }, { Ready: false }],
  Closed: [],
};

const closedWeb = {
  ...web,
  Closed: [
    {
      NodeID: "b2",
      NodeName: "host2",
      Protocol: "tcp",
      PublishedPort: 8080,
      Reason: "address already in use",
    },
    { NodeID: "b2", NodeName: "host2", Protocol: "udp", PublishedPort: 8080, Reason: "another's" },
  ],
};

const api = { ...web, Name: "api", VIPs: ["10.0.0.6"], Ports: [], Endpoints: [{ Ready: true }] };

describe("network service ls", () => {
  it("shows those of one network, as a table", async () => {
    engine.json("GET /networks/blue/services", [web, api]);
    expect(await engine.run("network", "service", "ls", "blue")).toEqual({
      stdout: [
        "NETWORK   NAME      VIP                 ENDPOINTS   PORTS",
        "blue      api       10.0.0.6            1           ",
        "blue      web       10.0.0.5, fd00::5   1/2         *:8080->80/tcp",
        "",
      ].join("\n"),
      stderr: "",
      exitCode: 0,
    });
  });

  it("asks every network of the cluster where none is named", async () => {
    engine.json("GET /networks", [{ Id: "b1" }, { Id: "r1" }]);
    engine.json("GET /networks/b1/services", [web]);
    engine.json("GET /networks/r1/services", [{ ...api, NetworkName: "red" }]);
    const ran = await engine.run("network", "service", "ls", "--format", "{{.Network}} {{.Name}}");
    expect(ran.stdout).toBe("blue web\nred api\n");
    expect(engine.asked[1]?.query.get("filters")).toBe('{"scope":{"global":true}}');
  });

  it("shows names alone, and passes filters on", async () => {
    engine.json("GET /networks/blue/services", [web]);
    const ran = await engine.run("network", "service", "ls", "-q", "--filter", "ready=true", "blue");
    expect(ran.stdout).toBe("web\n");
    expect(engine.asked.at(-1)?.query.get("filters")).toBe('{"ready":{"true":true}}');
  });

  it("says where a port is closed", async () => {
    engine.json("GET /networks/blue/services", [closedWeb]);
    const ran = await engine.run("network", "service", "ls", "--format", "{{.Ports}}", "blue");
    expect(ran.stdout).toBe("*:8080->80/tcp (closed on host2)\n");
  });

  it("says json", async () => {
    engine.json("GET /networks/blue/services", [api]);
    const ran = await engine.run("network", "service", "ls", "--format", "json", "blue");
    expect(JSON.parse(ran.stdout)).toMatchObject({
      Network: "blue",
      Name: "api",
      VIP: "10.0.0.6",
      Ready: "1",
    });
  });
});

describe("network service inspect", () => {
  it("shows services as the engine sends them", async () => {
    engine.json("GET /networks/blue/services/web", web);
    const ran = await engine.run("network", "service", "inspect", "blue", "web");
    expect(JSON.parse(ran.stdout)).toEqual([web]);
    const format = ["--format", "{{range .Ports}}{{.PublishedPort}}{{end}}"];
    expect((await engine.run("network", "service", "inspect", ...format, "blue", "web")).stdout).toBe(
      "8080\n",
    );
  });

  it("passes on that there is none", async () => {
    engine.refuse("GET /networks/blue/services/db", 404, "service db not found on network blue");
    expect(await engine.run("network", "service", "inspect", "blue", "db")).toMatchObject({
      stdout: "[]\n",
      stderr: expect.stringContaining("service db not found on network blue"),
      exitCode: 1,
    });
  });
});

describe("network service publish and unpublish", () => {
  it("sends ports and shows where they are open", async () => {
    engine.json("POST /networks/blue/services/web/publish", web);
    const ran = await engine.run("network", "service", "publish", "blue", "web", "8080:80");
    expect(ran).toEqual({ stdout: "*:8080->80/tcp\n", stderr: "", exitCode: 0 });
    expect(engine.lastBody()).toEqual({
      Ports: [{ Protocol: "tcp", PublishedPort: 8080, TargetPort: 80 }],
    });
  });

  it("warns where a port is not open, and why", async () => {
    engine.json("POST /networks/blue/services/web/publish", closedWeb);
    const ran = await engine.run("network", "service", "publish", "blue", "web", "8080:80");
    expect(ran).toEqual({
      stdout: "*:8080->80/tcp\n",
      stderr: "WARNING: host2 cannot open port 8080/tcp yet: address already in use\n",
      exitCode: 0,
    });
  });

  it("sends ports that are to be closed", async () => {
    engine.json("POST /networks/blue/services/web/unpublish", web);
    const ran = await engine.run("network", "service", "unpublish", "blue", "web", "8080", "53/udp");
    expect(ran).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(engine.lastBody()).toEqual({
      Ports: [
        { Protocol: "tcp", PublishedPort: 8080 },
        { Protocol: "udp", PublishedPort: 53 },
      ],
    });
  });

  it("needs a network, a service and a port", async () => {
    expect(await engine.run("network", "service", "publish", "blue", "web")).toMatchObject({
      stderr: expect.stringContaining("requires at least 3 arguments"),
      exitCode: 1,
    });
  });
});

describe("ports of services", () => {
  it.each([
    ["80", [[80, 80, "tcp"]]],
    ["8080:80/UDP", [[8080, 80, "udp"]]],
    [
      "8080-8081:80-81/sctp",
      [
        [8080, 80, "sctp"],
        [8081, 81, "sctp"],
      ],
    ],
  ])("%s is read", (spec, wanted) => {
    expect(
      parseServicePorts(spec).map((port) => [port.PublishedPort, port.TargetPort, port.Protocol]),
    ).toEqual(wanted);
  });

  it.each([
    ["192.0.2.1:8080:80", "an address cannot be given"],
    ["8080-8082:80-81", "3 ports cannot lead to 2"],
    ["8080:", '"" is not a port'],
    ["0", '"0" is not a port'],
    ["70000:80", '"70000" is not a port'],
    ["80/icmp", '"icmp" is none of tcp, udp, sctp'],
    ["81-80", "81-80 is not a range"],
  ])("%s is refused", (spec, why) => {
    expect(() => parseServicePorts(spec)).toThrow(why);
  });

  it("that are published may be named as they were", () => {
    expect(parsePublishedPorts("8080:80")).toEqual([{ Protocol: "tcp", PublishedPort: 8080 }]);
    expect(() => parsePublishedPorts("web")).toThrow('"web" is not a port');
  });
});
