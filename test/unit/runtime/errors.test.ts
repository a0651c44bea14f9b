// containerd's failures as our kinds.

import { expect, test } from "vitest";
import { fromGrpcError, orAbsent } from "../../../src/runtime/grpc-error.ts";
import { isAlreadyExists, isNotFound, startFailureExitCode } from "../../../src/runtime/index.ts";
import { startFailure } from "../../../src/runtime/start-failure.ts";

const grpc = (code: number, details: string) =>
  Object.assign(new Error(`${code} CODE: ${details}`), { code, details });

test("codes become kinds and containerd's message stays as it is", () => {
  const kinds = {
    1: "cancelled",
    3: "invalid",
    5: "not-found",
    6: "conflict",
    9: "conflict",
    14: "unavailable",
  };
  for (const [code, kind] of Object.entries(kinds))
    expect(fromGrpcError(grpc(Number(code), "why"))).toMatchObject({ kind, message: "why" });
  expect(fromGrpcError(grpc(2, "why")).kind).toBe("internal");
  expect(fromGrpcError("text")).toMatchObject({ kind: "internal", message: "text" });
});

test("a mapped error is still known by its code", () => {
  expect(isAlreadyExists(fromGrpcError(grpc(6, "x")))).toBe(true);
  expect(isNotFound(fromGrpcError(grpc(6, "x")))).toBe(false);
  expect(isNotFound(new Error("x"))).toBe(false);
});

test("absence can be a value", async () => {
  expect(await orAbsent(Promise.resolve(1))).toBe(1);
  expect(await orAbsent(Promise.reject(fromGrpcError(grpc(5, "x"))))).toBeUndefined();
  await expect(orAbsent(Promise.reject(fromGrpcError(grpc(6, "x"))))).rejects.toThrow("x");
});

test("the exit code of a failed start follows runc's text", () => {
  const texts = {
    'exec: "x": executable file not found in $PATH': 127,
    "exec /x: no such file or directory": 127,
    "exec /x: not a directory": 127,
    "exec /etc/passwd: permission denied": 126,
    "exec /etc: is a directory": 126,
    "something else": 128,
  };
  for (const [text, code] of Object.entries(texts)) expect(startFailureExitCode(text)).toBe(code);
});

test("a command that cannot be run is the client's mistake, other failures are not", () => {
  expect(startFailure(grpc(2, "x: executable file not found in $PATH"), "failed to create")).toMatchObject({
    kind: "invalid",
    message: "failed to create: x: executable file not found in $PATH",
  });
  expect(startFailure(grpc(2, "out of memory")).kind).toBe("internal");
  expect(startFailure(grpc(14, "no such file or directory")).kind).toBe("unavailable");
});
