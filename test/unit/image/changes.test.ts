// Dockerfile instructions of `import --change` and `commit --change`.

import { describe, expect, it } from "vitest";
import { applyChanges } from "../../../src/image/changes.ts";

describe("applyChanges", () => {
  it.each([
    ['CMD ["a","b"]', { Cmd: ["a", "b"] }],
    ["CMD a b", { Cmd: ["/bin/sh", "-c", "a b"] }],
    ["cmd", { Cmd: [] }],
    ['ENTRYPOINT ["x"]', { Entrypoint: ["x"] }],
    ["ENV A=1 B=\"two words\" C='x y' D=a\\ b", { Env: ["A=1", "B=two words", "C=x y", "D=a b"] }],
    ["ENV A one two", { Env: ["A=one two"] }],
    [
      "EXPOSE 80 53/udp 8000-8001/TCP",
      { ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} } },
    ],
    ['LABEL a=b c.d="e f"', { Labels: { a: "b", "c.d": "e f" } }],
    ["ONBUILD RUN x", { OnBuild: ["RUN x"] }],
    ["STOPSIGNAL SIGQUIT", { StopSignal: "SIGQUIT" }],
    ["USER 1000:1000", { User: "1000:1000" }],
    ["VOLUME /a /b", { Volumes: { "/a": {}, "/b": {} } }],
    ['VOLUME ["/a b"]', { Volumes: { "/a b": {} } }],
    ["WORKDIR /srv", { WorkingDir: "/srv" }],
    ['SHELL ["/bin/bash","-c"]', { Shell: ["/bin/bash", "-c"] }],
    ["HEALTHCHECK NONE", { Healthcheck: { Test: ["NONE"] } }],
    [
      "HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f localhost",
      { Healthcheck: { Test: ["CMD-SHELL", "curl -f localhost"], Interval: 90e9, Retries: 3 } },
    ],
    ['HEALTHCHECK --timeout=500ms CMD ["true"]', { Healthcheck: { Test: ["CMD", "true"], Timeout: 500e6 } }],
  ])("takes %s", (line, expected) => {
    expect(applyChanges({}, [line])).toEqual(expected);
  });

  it("adds to what is there, in order", () => {
    const config = applyChanges({ Env: ["A=0", "Z=9"], WorkingDir: "/srv" }, [
      "ENV A=1",
      "WORKDIR x",
      "# no\n\nUSER a",
    ]);
    expect(config).toEqual({ Env: ["A=1", "Z=9"], WorkingDir: "/srv/x", User: "a" });
  });

  it("uses the shell that an earlier line set", () => {
    expect(applyChanges({}, ['SHELL ["/bin/bash","-c"]', "CMD a"]).Cmd).toEqual(["/bin/bash", "-c", "a"]);
  });

  it.each([
    ["RUN x", "run is not a valid change command"],
    ["ENV", "ENV requires at least one argument"],
    ["ENV A", "ENV must have two arguments"],
    ["ENV A=1 B", 'syntax error - can\'t find = in "B". Must be of the form: name=value'],
    ["EXPOSE x", "invalid containerPort: x"],
    ["EXPOSE 70000", "invalid containerPort: 70000"],
    ["SHELL bash", "SHELL requires the arguments to be in JSON form"],
    ["HEALTHCHECK curl", 'unknown type "curl" in HEALTHCHECK (try CMD)'],
    ["HEALTHCHECK --interval=x CMD a", 'invalid duration "x"'],
    ["HEALTHCHECK --nope=1 CMD a", "unknown flag: nope"],
  ])("refuses %s", (line, message) => {
    expect(() => applyChanges({}, [line])).toThrow(expect.objectContaining({ kind: "invalid", message }));
  });
});
