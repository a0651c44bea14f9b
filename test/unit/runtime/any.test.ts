// Values as containerd wraps them.

import { expect, test } from "vitest";
import { anyMessage, anyProcess, anySpec } from "../../../src/runtime/any.ts";
import { OptionsSchema } from "../../../src/runtime/gen/runc-options_pb.ts";
import { buildSpec } from "../../../src/runtime/index.ts";
import { plain } from "./spec-input.ts";

test("documents travel as JSON under containerd's type names", () => {
  const spec = buildSpec(plain);
  const wrapped = anySpec(spec);
  expect(wrapped.typeUrl).toBe("types.containerd.io/opencontainers/runtime-spec/1/Spec");
  expect(JSON.parse(wrapped.value.toString())).toEqual(JSON.parse(JSON.stringify(spec)));
});

test("a number that JavaScript would round is written exactly", () => {
  const rlimits = [{ type: "RLIMIT_CORE", soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n }];
  const { process } = buildSpec(plain);
  expect(anyProcess({ ...process, rlimits }).value.toString()).toContain('"soft":18446744073709551615,');
});

test("messages travel under their bare names", () => {
  expect(anyMessage(OptionsSchema, { root: "/r" }).typeUrl).toBe("containerd.runc.v1.Options");
});
