// References as the lists shorten them.

import { describe, expect, it } from "vitest";
import {
  canonicalString,
  familiarString,
  parseReference,
  withDefaultTag,
} from "../../../../src/cli/format/reference.ts";

const digest = `sha256:${"ab".repeat(32)}`;

describe("an image reference", () => {
  it.each([
    ["nginx", "docker.io/library/nginx", "nginx"],
    ["nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"],
    ["user/app", "docker.io/user/app", "user/app"],
    ["docker.io/nginx", "docker.io/library/nginx", "nginx"],
    ["index.docker.io/user/app:x", "docker.io/user/app:x", "user/app:x"],
    ["localhost/app", "localhost/app", "localhost/app"],
    ["192.0.2.1:5000/a/b:c", "192.0.2.1:5000/a/b:c", "192.0.2.1:5000/a/b:c"],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`, `nginx@${digest}`],
  ])("%s is %s in full and %s in short", (text, full, short) => {
    const ref = parseReference(text);
    expect(canonicalString(ref)).toBe(full);
    expect(familiarString(ref)).toBe(short);
  });

  it("gets the tag latest when it has none", () => {
    expect(familiarString(withDefaultTag(parseReference("nginx")))).toBe("nginx:latest");
    expect(familiarString(withDefaultTag(parseReference("nginx:1")))).toBe("nginx:1");
    expect(familiarString(withDefaultTag(parseReference(`nginx@${digest}`)))).toBe(`nginx@${digest}`);
  });

  it.each([
    ["Nginx", "invalid reference format: repository name (library/Nginx) must be lowercase"],
    ["a b", "invalid reference format"],
    ["", "invalid reference format"],
    ["a:b:c", "invalid reference format"],
    ["nginx@sha256:short", "invalid reference format"],
    [
      "ab".repeat(32),
      `invalid repository name (${"ab".repeat(32)}), cannot specify 64-byte hexadecimal strings`,
    ],
  ])("%s is refused", (text, why) => {
    expect(() => parseReference(text)).toThrow(why);
  });
});
