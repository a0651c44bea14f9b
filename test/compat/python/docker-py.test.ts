// Python's docker package, as Debian ships it and compose 1 uses it, on a daemon.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { run } from "../../e2e/run.ts";
import { useSite } from "../../e2e/site.ts";

const tour = join(import.meta.dirname, "tour.py");

function hasDockerPy(): boolean {
  try {
    execFileSync("python3", ["-c", "import docker"], { stdio: "ignore" });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

if (hasDockerPy()) {
  const site = useSite();
  afterEach(() => site().daemon.removeAll());

  test("a Python program finds what it finds with Docker", async () => {
    const { daemon } = site();
    const ran = await run("python3", [tour], { env: { ...daemon.clientEnv } });
    expect(ran).toEqual({ code: 0, stdout: "all is as it should be\n", stderr: "" });
  });
} else {
  test.skip("a Python program finds what it finds with Docker: no python3-docker, or not root", () =>
    undefined);
}
