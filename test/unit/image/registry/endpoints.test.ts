// Where a registry is asked: Docker Hub, its mirrors, others over HTTPS or plain HTTP.

import { describe, expect, it } from "vitest";
import { endpointsOf, isInsecure } from "../../../../src/image/registry/endpoints.ts";

const bases = (domain: string, options = {}, purpose: "pull" | "push" = "pull") =>
  endpointsOf(domain, options, purpose).map(({ base }) => base);

describe("endpoints", () => {
  it("are Docker Hub's registry, after its mirrors, which nothing is pushed to", () => {
    const options = { registryMirrors: ["https://mirror.example/"] };
    expect(bases("docker.io")).toEqual(["https://registry-1.docker.io"]);
    expect(bases("docker.io", options)).toEqual(["https://mirror.example", "https://registry-1.docker.io"]);
    expect(bases("docker.io", options, "push")).toEqual(["https://registry-1.docker.io"]);
    expect(bases("example.com", options)).toEqual(["https://example.com"]);
  });

  it("fall back to plain HTTP only where that was allowed", () => {
    expect(bases("localhost:5000")).toEqual(["https://localhost:5000", "http://localhost:5000"]);
    expect(bases("example.com:5000", { insecureRegistries: ["example.com:5000"] })).toEqual([
      "https://example.com:5000",
      "http://example.com:5000",
    ]);
    expect(endpointsOf("example.com", {})[0]?.verifiesTls).toBe(true);
    expect(endpointsOf("localhost", {})[0]?.verifiesTls).toBe(false);
  });
});

it.each([
  ["localhost", [], true],
  ["127.0.0.1:5000", [], true],
  ["127.9.9.9", [], true],
  ["[::1]:5000", [], true],
  ["192.0.2.1:5000", [], false],
  ["192.0.2.1:5000", ["192.0.2.0/24"], true],
  ["198.51.100.1", ["192.0.2.0/24"], false],
  ["[2001:db8::1]", ["2001:db8::/32"], true],
  ["example.com:5000", ["example.com"], true],
  ["example.com", ["example.com:5000"], false],
  ["localhost.example.com", [], false],
  ["192.0.2.1", ["nonsense/99", "192.0.2.0/99"], false],
])("%s with %j is insecure: %s", (domain, list, expected) => {
  expect(isInsecure(domain, list)).toBe(expected);
});
