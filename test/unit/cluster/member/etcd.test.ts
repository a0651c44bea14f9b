// The command line of a member's etcd, and what is read from its log. The process itself is tested in the lab.

import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type EtcdSpec,
  etcdArguments,
  etcdEnvironment,
  firstArguments,
} from "../../../../src/cluster/member/etcd-arguments.ts";
import { explainEnd, readEndReason, rotateLog } from "../../../../src/cluster/member/etcd-log.ts";

const spec: EtcdSpec = {
  nodeId: "n1",
  clusterId: "c1",
  address: "192.0.2.1",
  ports: { client: 2379, peer: 2380 },
  dataFolder: "/data/etcd",
  trust: { authority: "/trust/authority.pem", host: "/trust/host.pem", revoked: "/trust/revoked.pem" },
};

describe("etcd's command line", () => {
  test("has mutual TLS on every listener, and nothing in the clear", () => {
    const words = etcdArguments(spec);
    expect(words).toEqual(
      expect.arrayContaining([
        "--listen-client-urls=https://192.0.2.1:2379",
        "--listen-peer-urls=https://192.0.2.1:2380",
        "--client-cert-auth=true",
        "--peer-client-cert-auth=true",
        "--peer-cert-allowed-hostname=member.tsdocker",
        "--client-crl-file=/trust/revoked.pem",
        "--peer-crl-file=/trust/revoked.pem",
      ]),
    );
    expect(words.join(" ")).not.toContain("http://");
  });

  test("is the same at every start, so that a running one can be recognized", () => {
    expect(etcdArguments(spec)).toEqual(etcdArguments({ ...spec }));
    expect(firstArguments(spec, { kind: "again" })).toEqual([]);
  });

  test("tells a first start whom it will find", () => {
    expect(firstArguments(spec, { kind: "new" })).toEqual([
      "--initial-cluster=n1=https://192.0.2.1:2380",
      "--initial-cluster-state=new",
      "--initial-cluster-token=c1",
    ]);
    const members = [
      { nodeId: "n0", peerUrl: "https://192.0.2.9:2380" },
      { nodeId: "n1", peerUrl: "https://192.0.2.1:2380" },
    ];
    expect(firstArguments(spec, { kind: "existing", members })[0]).toBe(
      "--initial-cluster=n0=https://192.0.2.9:2380,n1=https://192.0.2.1:2380",
    );
  });

  test("writes IPv6 in brackets", () => {
    expect(etcdArguments({ ...spec, address: "2001:db8::1" })).toContain(
      "--listen-client-urls=https://[2001:db8::1]:2379",
    );
  });

  test("has nothing of the daemon's environment but the path", () => {
    process.env.ETCD_FORCE_NEW_CLUSTER = "true";
    onTestFinished(() => void delete process.env.ETCD_FORCE_NEW_CLUSTER);
    expect(
      Object.keys(etcdEnvironment()).filter((name) => !["PATH", "ETCD_UNSUPPORTED_ARCH"].includes(name)),
    ).toEqual([]);
  });
});

describe("etcd's end", () => {
  test.each([
    [
      '{"level":"warn","msg":"server error","error":"the member has been permanently removed from the cluster"}',
      "removed",
      "the cluster has removed this member",
    ],
    [
      '{"level":"fatal","msg":"discovery failed","error":"listen tcp 192.0.2.1:2380: bind: address already in use"}',
      "other",
      "192.0.2.1:2380 is in use by another program",
    ],
    [
      '{"level":"fatal","msg":"x","error":"listen tcp 192.0.2.1:2380: bind: cannot assign requested address"}',
      "other",
      "192.0.2.1:2380 is not an address of this host",
    ],
    [
      '{"level":"fatal","msg":"write wal","error":"no space left on device"}',
      "other",
      "no space left on device",
    ],
    ['{"level":"fatal","msg":"boom","error":"why"}\n{"level":"info","msg":"bye"}', "other", "boom: why"],
    ["flag provided but not defined: -x\n", "other", "flag provided but not defined: -x"],
    ['{"level":"info","msg":"all is well"}', "other", "it did not say why"],
    ["", "other", "it did not say why"],
  ])("is explained from its log: %s", (log, kind, message) => {
    expect(explainEnd(log)).toEqual({ kind, message });
  });

  test("is read from this start's part of the log only, and a missing log is no error", async () => {
    const folder = await mkdtemp(join(tmpdir(), "etcd-log-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, "etcd.log");
    expect(await readEndReason(path)).toEqual({ kind: "other", message: "it did not say why" });
    const old = "the member has been permanently removed from the cluster\n";
    await writeFile(path, `${old}wrong option\n`);
    expect(await readEndReason(path, old.length)).toEqual({ kind: "other", message: "wrong option" });
  });

  test("leaves a log that does not grow for ever", async () => {
    const folder = await mkdtemp(join(tmpdir(), "etcd-log-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, "etcd.log");
    await rotateLog(path);
    await writeFile(path, "short");
    await rotateLog(path);
    expect(await readFile(path, "utf8")).toBe("short");
    await truncate(path, 9 * 1024 * 1024);
    await rotateLog(path);
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
    expect((await stat(`${path}.1`)).size).toBe(9 * 1024 * 1024);
  });
});
