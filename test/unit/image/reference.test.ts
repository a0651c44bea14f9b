// References: read, completed, shortened.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalName,
  familiarName,
  familiarString,
  isDigest,
  parseReference,
  withDefaultTag,
  withTag,
} from "../../../src/image/reference.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("parseReference", () => {
  it.each([
    ["nginx", "docker.io/library/nginx:latest", "nginx"],
    ["nginx:1.25", "docker.io/library/nginx:1.25", "nginx:1.25"],
    ["library/nginx", "docker.io/library/nginx:latest", "nginx"],
    ["bitnami/nginx", "docker.io/bitnami/nginx:latest", "bitnami/nginx"],
    ["docker.io/nginx", "docker.io/library/nginx:latest", "nginx"],
    ["index.docker.io/nginx", "docker.io/library/nginx:latest", "nginx"],
    ["localhost/x", "localhost/x:latest", "localhost/x"],
    ["localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"],
    ["example.com/a/b-c__d.e", "example.com/a/b-c__d.e:latest", "example.com/a/b-c__d.e"],
    ["[2001:db8::1]:5000/x", "[2001:db8::1]:5000/x:latest", "[2001:db8::1]:5000/x"],
    ["127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x"],
    ["docker/library/nginx", "docker.io/docker/library/nginx:latest", "docker/library/nginx"],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`, `nginx@${digest}`],
    [`nginx:1@${digest}`, `docker.io/library/nginx:1@${digest}`, `nginx:1@${digest}`],
  ])("reads %s", (text, canonical, familiar) => {
    const reference = parseReference(text);
    expect(canonicalName(reference)).toBe(canonical);
    expect(familiarString(reference)).toBe(familiar);
  });

  it.each([
    ["", "invalid reference format"],
    ["a b", "invalid reference format"],
    ["-a", "invalid reference format"],
    ["a:", "invalid reference format"],
    ["a:b:c", "invalid reference format"],
    ["a//b", "invalid reference format"],
    ["a@sha256:12", "invalid reference format"],
    ["a@", "invalid reference format"],
    ["example.com:port/x", "invalid reference format"],
    [`a:${"t".repeat(129)}`, "invalid reference format"],
    ["Nginx", "invalid reference format: repository name (library/Nginx) must be lowercase"],
    ["example.com/A/b", "invalid reference format: repository name (A/b) must be lowercase"],
    ["a".repeat(300), "repository name must not be more than 255 characters"],
    [
      "f".repeat(64),
      `invalid repository name (${"f".repeat(64)}), cannot specify 64-byte hexadecimal strings`,
    ],
  ])("refuses %j as Docker does", (text, message) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ kind: "invalid", message }));
  });

  it("throws nothing but invalid whatever it is given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          parseReference(text);
        } catch (error) {
          expect(error).toMatchObject({ kind: "invalid" });
        }
      }),
    );
  });

  it("reads its own canonical and familiar forms back", () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const domain = fc.constantFrom("docker.io", "localhost:5000", "example.com", "[2001:db8::1]");
    fc.assert(
      fc.property(domain, fc.array(part, { minLength: 1, maxLength: 3 }), part, (host, path, tag) => {
        const reference = parseReference(`${host}/${path.join("/")}:${tag}`);
        expect(parseReference(canonicalName(reference))).toEqual(reference);
        expect(parseReference(familiarString(reference))).toEqual(reference);
      }),
    );
  });
});

it("fills in latest only where nothing else is named", () => {
  expect(withDefaultTag(parseReference("a")).tag).toBe("latest");
  expect(withDefaultTag(parseReference("a:1")).tag).toBe("1");
  expect(withDefaultTag(parseReference(`a@${digest}`)).tag).toBeUndefined();
});

it("keeps library in names that are deeper", () => {
  expect(familiarName(parseReference("docker.io/library/a/b"))).toBe("library/a/b");
});

it("refuses malformed tags", () => {
  expect(() => withTag(parseReference("a"), "-x")).toThrow("invalid tag format");
});

it("knows digests", () => {
  expect(isDigest(digest)).toBe(true);
  expect(isDigest(digest.toUpperCase())).toBe(false);
  expect(isDigest(`sha256:${"a".repeat(63)}`)).toBe(false);
  expect(isDigest(`sha512:${"a".repeat(128)}`)).toBe(false);
});
