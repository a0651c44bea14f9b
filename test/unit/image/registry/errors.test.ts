// What went wrong at a registry, in Docker's words.

import { describe, expect, it } from "vitest";
import { parseReference } from "../../../../src/image/reference.ts";
import { pullError, pushError, registryError, unreachable } from "../../../../src/image/registry/errors.ts";

const body = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });
const reference = parseReference("foo:1");
const url = new URL("https://registry.example/v2/");
const nodeError = (fields: object) => Object.assign(new Error("raw text"), fields);

describe("a registry's refusals in Docker's words", () => {
  it.each([
    [
      404,
      body("MANIFEST_UNKNOWN", "manifest unknown"),
      "not-found",
      "manifest for foo:1 not found: manifest unknown: manifest unknown",
    ],
    [
      404,
      body("NAME_UNKNOWN", "repository name not known to registry"),
      "not-found",
      "repository foo not found: name unknown: repository name not known to registry",
    ],
    [
      403,
      body("DENIED", "requested access to the resource is denied"),
      "not-found",
      "pull access denied for foo, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    ],
    [
      401,
      body("UNAUTHORIZED", "authentication required"),
      "unauthorized",
      "unauthorized: authentication required",
    ],
    [
      401,
      JSON.stringify({ details: "incorrect username or password" }),
      "unauthorized",
      "unauthorized: incorrect username or password",
    ],
    [429, body("TOOMANYREQUESTS", "slow down"), "unavailable", "toomanyrequests: slow down"],
    [503, "<html>busy</html>", "internal", "request: unexpected status 503: <html>busy</html>"],
    [500, "", "internal", "request: unexpected status 500"],
  ])("%i %s", (status, text, kind, message) => {
    expect(pullError(registryError(status, text, "request"), reference)).toMatchObject({ kind, message });
  });

  it("keep their text when pushing", () => {
    expect(pushError(registryError(403, body("DENIED", "no"), "r"))).toMatchObject({
      kind: "forbidden",
      message: "denied: no",
    });
    expect(pushError(registryError(401, "", "r"))).toMatchObject({ kind: "unauthorized" });
    expect(pushError(new Error("x"))).toMatchObject({ kind: "internal", message: "x" });
  });
});

describe("a registry that cannot be reached", () => {
  it.each([
    [{ code: "ENOTFOUND" }, "dial tcp: lookup registry.example: no such host"],
    [{ code: "EAI_AGAIN" }, "dial tcp: lookup registry.example: temporary failure in name resolution"],
    [
      { code: "ECONNREFUSED", address: "192.0.2.1", port: 443 },
      "dial tcp 192.0.2.1:443: connect: connection refused",
    ],
    [
      { code: "EHOSTUNREACH", address: "192.0.2.1", port: 443 },
      "dial tcp 192.0.2.1:443: connect: no route to host",
    ],
    [{ code: "EPROTO" }, "http: server gave HTTP response to HTTPS client"],
    [{ code: "DEPTH_ZERO_SELF_SIGNED_CERT" }, "tls: failed to verify certificate: raw text"],
  ])("%j", (fields, text) => {
    const error = unreachable("GET", url, nodeError(fields));
    expect(error.message).toBe(`Get "https://registry.example/v2/": ${text}`);
    expect(error.isConnect).toBe(true);
    expect(pullError(error, reference)).toMatchObject({ kind: "internal", message: error.message });
  });

  it("looks into Node's bundle of failures for several addresses", () => {
    const inner = nodeError({ code: "ECONNREFUSED", address: "::1", port: 1 });
    expect(unreachable("HEAD", url, new AggregateError([inner])).message).toBe(
      'Head "https://registry.example/v2/": dial tcp ::1:1: connect: connection refused',
    );
  });

  it("does not try another scheme after an exchange broke", () => {
    expect(unreachable("GET", url, new Error("i/o timeout")).isConnect).toBe(false);
  });
});
