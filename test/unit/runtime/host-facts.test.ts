// What is read of the host under /proc.

import { expect, test } from "vitest";
import {
  mayRunX32,
  parseCapabilities,
  parseKernel,
  parseLimits,
} from "../../../src/runtime/oci/host-facts.ts";

test("the bounding set is read bit by bit", () => {
  expect(parseCapabilities("Name:\tx\nCapBnd:\t0000000000000003\n")).toEqual([
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
  ]);
  expect(parseCapabilities("CapBnd:\t000001ffffffffff\n")).toHaveLength(41);
  expect(parseCapabilities("")).toEqual([]);
});

test("hard limits are read by their short names", () => {
  const text = [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    "Max cpu time              unlimited            unlimited            seconds   ",
    "Max open files            1024                 20000                files     ",
    "Max processes             100                  200                  processes ",
  ].join("\n");
  expect(parseLimits(text)).toEqual({ cpu: Number.POSITIVE_INFINITY, nofile: 20_000, nproc: 200 });
});

test("a kernel's release is two numbers", () => {
  expect(parseKernel("6.18.5-generic")).toEqual([6, 18]);
  expect(parseKernel("strange")).toEqual([0, 0]);
});

test("x32 is ruled out only by the kernel's own configuration", () => {
  expect(mayRunX32("", "")).toBe(true);
  expect(mayRunX32("# CONFIG_X86_X32_ABI is not set\n", "")).toBe(false);
  expect(mayRunX32("CONFIG_X86_X32_ABI=y\n", "")).toBe(true);
  const debian = "CONFIG_X86_X32_ABI=y\nCONFIG_X86_X32_DISABLED=y\n";
  expect([mayRunX32(debian, "quiet"), mayRunX32(debian, "quiet syscall.x32=y")]).toEqual([false, true]);
});
