// Limits and devices as the OCI specification has them.

import { describe, expect, test } from "vitest";
import { buildSpec, toOciResources } from "../../../src/runtime/index.ts";
import { parseDeviceRule } from "../../../src/runtime/oci/resources.ts";
import { plain } from "./spec-input.ts";

const swap = { hasSwapLimit: true };

describe("limits", () => {
  test("that nobody set are absent", () => {
    expect(toOciResources({}, swap)).toEqual({});
    expect(toOciResources({ memoryBytes: 0, cpuShares: 0, nanoCpus: 0 }, swap)).toEqual({});
  });

  test("of memory allow as much swap again, unless said otherwise", () => {
    const memory = (memorySwapBytes?: number) =>
      toOciResources({ memoryBytes: 100, ...(memorySwapBytes !== undefined && { memorySwapBytes }) }, swap)
        .memory;
    expect(memory()).toEqual({ limit: 100, swap: 200 });
    expect(memory(150)).toEqual({ limit: 100, swap: 150 });
    expect(memory(-1)).toEqual({ limit: 100, swap: -1 });
  });

  test("of swap are left out where the kernel counts none", () => {
    expect(toOciResources({ memoryBytes: 100 }, { hasSwapLimit: false }).memory).toEqual({ limit: 100 });
  });

  test("of processors are a share of a period", () => {
    expect(toOciResources({ nanoCpus: 1.5e9 }, swap).cpu).toEqual({ period: 100_000, quota: 150_000 });
    expect(toOciResources({ cpuPeriodUs: 50_000, cpuQuotaUs: 25_000, cpusetCpus: "0-1" }, swap).cpu).toEqual({
      period: 50_000,
      quota: 25_000,
      cpus: "0-1",
    });
  });

  test("of processes can be lifted again", () => {
    expect([10, 0, -1].map((pidsLimit) => toOciResources({ pidsLimit }, swap).pids?.limit)).toEqual([
      10, -1, -1,
    ]);
  });

  test("of swappiness at the kernel's default are left to it", () => {
    expect(toOciResources({ memorySwappiness: -1 }, swap)).toEqual({});
    expect(toOciResources({ memorySwappiness: 0 }, swap).memory).toEqual({ swappiness: 0 });
  });
});

describe("devices", () => {
  test("are denied, then allowed one by one, the user's last", () => {
    const device = { type: "c", path: "/dev/kvm", major: 10, minor: 232 } as const;
    const rules =
      buildSpec({ ...plain, devices: [{ device, access: "rw" }], deviceCgroupRules: ["b 8:* r"] }).linux
        .resources?.devices ?? [];
    expect(rules[0]).toEqual({ allow: false, access: "rwm" });
    expect(rules).toContainEqual({ allow: true, type: "c", major: 1, minor: 3, access: "rwm" });
    expect(rules.slice(-3)).toEqual([
      { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: 232, access: "rw" },
      { allow: true, type: "b", major: 8, access: "r" },
    ]);
  });

  test("are named by rules of one form", () => {
    expect(parseDeviceRule("a *:* rwm")).toEqual({ allow: true, type: "a", access: "rwm" });
    for (const text of ["c 1:3", "x 1:3 rwm", "c 1 rwm", "c 1:3 rwx", ""])
      expect(() => parseDeviceRule(text)).toThrow("invalid device cgroup rule format");
  });
});
