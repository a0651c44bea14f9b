// The small parts of the engine: signals, restart delays, names.

import { expect, test } from "vitest";
import type { Container } from "../../../src/engine/container.ts";
import { checkName, inventName } from "../../../src/engine/names.ts";
import { restartDelay } from "../../../src/engine/restart-policy.ts";
import { shutdownBudgetS } from "../../../src/engine/restore.ts";
import { parseSecurityOptions } from "../../../src/engine/security-options.ts";
import { parseSignal } from "../../../src/engine/signals.ts";
import { parseProcessTable } from "../../../src/engine/stats.ts";

test("signals are known by name, short name, number and real-time offset", () => {
  expect(["SIGTERM", "term", "15", "RTMIN+3", "SIGRTMAX-1"].map(parseSignal)).toEqual([15, 15, 15, 37, 63]);
  for (const bad of ["SIGNOPE", "0", "65", "RTMIN+31", ""])
    expect(() => parseSignal(bad)).toThrow("invalid signal");
});

test("restarts are delayed twice as long each time, and as at first after a good life", () => {
  expect(restartDelay(0, 10)).toBe(100);
  expect(restartDelay(100, 10)).toBe(200);
  expect(restartDelay(50_000, 10)).toBe(60_000);
  expect(restartDelay(60_000, 10_000)).toBe(100);
});

test("an invented name is free and well formed", () => {
  const taken = new Set<string>();
  for (let count = 0; count < 500; count++) {
    const name = inventName((it) => !taken.has(it));
    expect(taken.has(name)).toBe(false);
    expect(checkName(name)).toBe(name);
    taken.add(name);
  }
});

test("a bad name is refused in Docker's words", () => {
  expect(() => checkName("-x")).toThrow(
    "Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
  );
});

test("ps output is cut down to the container's processes, commands whole", () => {
  const ps = "UID   PID  PPID CMD\nroot    7     1 nginx: master process\nroot    9     1 sh\n";
  expect(parseProcessTable(ps, new Set([7]))).toEqual({
    titles: ["UID", "PID", "PPID", "CMD"],
    processes: [["root", "7", "1", "nginx: master process"]],
  });
  expect(() => parseProcessTable("CMD\nx\n", new Set())).toThrow("Couldn't find PID field");
});

test("security options are read, unknown ones refused", () => {
  expect(parseSecurityOptions(["no-new-privileges", "seccomp=unconfined"])).toEqual({
    noNewPrivileges: true,
    seccomp: "unconfined",
  });
  expect(() => parseSecurityOptions(["magic=1"])).toThrow('invalid --security-opt 2: "magic=1"');
});

test("a shutdown waits as long as the slowest container may take, and for ever if one says so", () => {
  const container = (stopTimeoutSeconds?: number) =>
    ({
      record: { spec: stopTimeoutSeconds === undefined ? {} : { stopTimeoutSeconds } },
    }) as unknown as Container;
  expect(shutdownBudgetS([], 15)).toBe(15);
  expect(shutdownBudgetS([container(), container(30)], 15)).toBe(35);
  expect(shutdownBudgetS([container(-1)], 15)).toBe(Number.POSITIVE_INFINITY);
});
