import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";

/** Spent only where something is wrong, or the machine busy. */
const patience = { expect: { poll: { timeout: 20_000 } }, testTimeout: 120_000, hookTimeout: 180_000 };

// Two projects: `unit` is pure logic in parallel, `lab` touches a real kernel, containerd and runc.
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/architecture.test.ts"],
          pool: "forks",
          // modules have no state: a process for each of 200 files would take as long as their tests
          isolate: false,
          maxWorkers: "100%",
          sequence: { groupOrder: 0 },
          ...patience,
        },
      },
      {
        test: {
          name: "lab",
          include: [
            "test/lab/**/*.test.ts",
            "test/conformance/**/*.test.ts",
            "test/e2e/**/*.test.ts",
            "test/compat/**/*.test.ts",
          ],
          globalSetup: ["test/programs.ts"],
          pool: "forks",
          // each file has hosts and folders of its own; more at once would only wait for the kernel's network lock
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          ...patience,
          // a machine that builds other things beside may be late once; on one's own a failure is a failure
          retry: process.env.CI ? 1 : 0,
        },
      },
    ],
  },
});
