// Where the daemon is, by flag, environment and context.

import { describe, expect, it } from "vitest";
import { parseHost } from "../../../../src/cli/client/host.ts";

describe("the daemon's address", () => {
  it.each([
    ["unix:///run/x.sock", "unix:///run/x.sock"],
    ["unix://", "unix:///var/run/docker.sock"],
    ["tcp://192.0.2.1:2375", "tcp://192.0.2.1:2375"],
    ["tcp://192.0.2.1", "tcp://192.0.2.1:2375"],
    ["192.0.2.1:80", "tcp://192.0.2.1:80"],
    ["tcp://[2001:db8::1]:2375", "tcp://[2001:db8::1]:2375"],
    ["tcp://", "tcp://localhost:2375"],
  ])("%s is %s", (text, url) => {
    expect(parseHost(text, false).url).toBe(url);
  });

  it("has another port with TLS", () => {
    expect(parseHost("tcp://192.0.2.1", true).url).toBe("tcp://192.0.2.1:2376");
  });

  it("strips the brackets of an IPv6 host", () => {
    expect(parseHost("tcp://[2001:db8::1]:2375", false)).toMatchObject({ host: "2001:db8::1", port: 2375 });
  });

  it("is refused by its scheme", () => {
    expect(() => parseHost("foo://x", false)).toThrow("invalid bind address format: foo://x");
  });
});
