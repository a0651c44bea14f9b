// --publish and --expose.

import { describe, expect, it } from "vitest";
import { parsePorts } from "../../../../src/cli/options/ports.ts";

const bind = (HostIp: string, HostPort: string) => [{ HostIp, HostPort }];
const failure = (spec: string) => {
  try {
    parsePorts([spec], []);
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
};

describe("published ports", () => {
  it.each([
    ["80", { "80/tcp": bind("", "") }],
    ["8080:80", { "80/tcp": bind("", "8080") }],
    ["127.0.0.1::80/udp", { "80/udp": bind("127.0.0.1", "") }],
    ["[::1]:53:53/UDP", { "53/udp": bind("::1", "53") }],
    ["8000-8001:80-81", { "80/tcp": bind("", "8000"), "81/tcp": bind("", "8001") }],
    ["9000-9005:80/sctp", { "80/sctp": bind("", "9000-9005") }],
    ["target=80,published=81,protocol=udp", { "80/udp": bind("", "81") }],
  ])("%s binds and exposes", (spec, bindings) => {
    const ports = parsePorts([spec], []);
    expect(ports.bindings).toEqual(bindings);
    expect(Object.keys(ports.exposed)).toEqual(Object.keys(bindings));
  });

  it("gather the bindings of one port", () => {
    expect(parsePorts(["1:80", "2:80"], []).bindings).toEqual({
      "80/tcp": [...bind("", "1"), ...bind("", "2")],
    });
  });

  it.each([
    ["x:80", "invalid hostPort: x"],
    ["80:x", "invalid containerPort: x"],
    ["1-2:1-4", "invalid ranges specified for container and host Ports: 1-4 and 1-2"],
    ["1.2.3:80:80", "invalid IP address: 1.2.3"],
    ["80/foo", "invalid proto: foo"],
    [":", "no port specified: :<empty>"],
    ["70000:80", "invalid hostPort: 70000"],
    ["5-3:80", "invalid hostPort: 5-3"],
    ["a=b,c", "invalid publish opts format (should be name=value but got 'c')"],
  ])("%s is refused: %s", (spec, why) => {
    expect(failure(spec)).toBe(why);
  });
});

describe("exposed ports", () => {
  it("may be ranges with a protocol", () => {
    const { exposed, bindings } = parsePorts([], ["70-72", "99/udp"]);
    expect(Object.keys(exposed)).toEqual(["70/tcp", "71/tcp", "72/tcp", "99/udp"]);
    expect(bindings).toEqual({});
  });

  it.each([
    ["80:90", "invalid port format for --expose: 80:90"],
    ["x", 'invalid range format for --expose: x, error: strconv.ParseUint: parsing "x": invalid syntax'],
  ])("%s is refused: %s", (spec, why) => {
    expect(() => parsePorts([], [spec])).toThrow(why);
  });
});
