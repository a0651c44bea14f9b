import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { failureError, readFailure } from "../../../../src/cluster/etcd/errors.ts";

const grpc = (code: number, details: string) =>
  Object.assign(new Error(`${code}: ${details}`), { code, details });

test.each([
  [status.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", "unavailable", "final", true],
  [status.UNAVAILABLE, "etcdserver: no leader", "unavailable", "soon", true],
  [
    status.UNAVAILABLE,
    "etcdserver: request timed out, possibly due to previous leader failure",
    "unavailable",
    "soon",
    false,
  ],
  [status.UNAVAILABLE, "etcdserver: leader changed", "unavailable", "soon", false],
  [status.UNAUTHENTICATED, "etcdserver: invalid auth token", "unauthorized", "token", true],
  [status.INVALID_ARGUMENT, "etcdserver: user name is empty", "unauthorized", "token", true],
  [
    status.INVALID_ARGUMENT,
    "etcdserver: authentication failed, invalid user ID or password",
    "unauthorized",
    "final",
    true,
  ],
  [status.PERMISSION_DENIED, "etcdserver: permission denied", "forbidden", "final", true],
  [status.NOT_FOUND, "etcdserver: requested lease not found", "not-found", "final", true],
  [status.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", "invalid", "final", true],
  [status.DEADLINE_EXCEEDED, "Deadline exceeded", "unavailable", "elsewhere", false],
  [status.UNAVAILABLE, "Connection dropped", "unavailable", "elsewhere", false],
])("%s %s", (code, details, kind, retry, isUndone) => {
  expect(readFailure(grpc(code, details))).toMatchObject({ kind, retry, isUndone });
});

test.each([
  [
    "No connection established. Last error: connect ECONNREFUSED 192.0.2.1:2379 (2026-11-22T23:00:00.000Z)",
    "unavailable",
    "connect ECONNREFUSED 192.0.2.1:2379",
  ],
  [
    "No connection established. Last error: Error: self-signed certificate in certificate chain. Resolution note: ",
    "unauthorized",
    "self-signed certificate in certificate chain",
  ],
  ["No connection established. Last error: null. Resolution note: ", "unavailable", "no connection"],
  [
    "No connection established. Last error: Failed to connect (2026-11-22T23:00:00.000Z)",
    "unavailable",
    "the connection is closed at once: it may want TLS (kv.cacertfile, kv.certfile, kv.keyfile), or be no etcd",
  ],
])("%s", (details, kind, words) => {
  expect(readFailure(grpc(status.UNAVAILABLE, details))).toMatchObject({ kind, words, isUndone: true });
});

test("an error says what was tried, why it failed, and where", () => {
  const failure = readFailure(grpc(status.UNAVAILABLE, "etcdserver: no leader"));
  expect(failureError("write to the store", "a:2379", failure, undefined).message).toBe(
    "write to the store: the store's members have no leader (etcd at a:2379)",
  );
});
