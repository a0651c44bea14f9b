// The flags and keys of clusters.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../../src/daemon/config.ts";
import { parseFlags } from "../../../src/daemon/flags.ts";

const folder = mkdtempSync(join(tmpdir(), "cluster-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const noFile = file("daemon.json", "{}");
const load = (words: readonly string[], path = noFile) =>
  loadConfig(parseFlags([...words, "--config-file", path], "0").given).cluster;

const store = ["--cluster-store", "etcd://192.0.2.9"];
const ca = file("ca.pem", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n");
const key = file("key.pem", "-----BEGIN EC PRIVATE KEY-----\nAA\n-----END EC PRIVATE KEY-----\n");

test("without them there is no store, and a cluster may be formed later", () => {
  expect(load([])).toEqual({ store: undefined, advertise: undefined, dataPort: undefined });
});

test("a store has members, a prefix, and how this host is reached", () => {
  const url = "etcd://192.0.2.9:2379,etcd-2,[2001:db8::9]:2381/lab/";
  expect(
    load(["--cluster-store", url, "--cluster-advertise", "eth0:2377", "--cluster-data-port", "4790"]),
  ).toEqual({
    store: {
      url,
      endpoints: "etcd://192.0.2.9:2379,etcd-2,[2001:db8::9]:2381",
      clusterId: "lab",
      tls: undefined,
      auth: undefined,
    },
    advertise: "eth0:2377",
    dataPort: 4790,
  });
});

test("the grace time of hosts that are gone is longer than a lease", () => {
  expect(load([]).graceMs).toBeUndefined();
  expect(load(["--cluster-grace", "60"]).graceMs).toBe(60_000);
  expect(load([], file("grace.json", '{"cluster-grace": 900}')).graceMs).toBe(900_000);
  for (const seconds of ["9", "2592001"])
    expect(() => load(["--cluster-grace", seconds])).toThrow(
      `--cluster-grace: ${seconds} is not between 10 s and 30 days`,
    );
});

test("the file's keys are dockerd's", () => {
  const json = {
    "cluster-store": "etcd://192.0.2.9:2379",
    "cluster-advertise": "192.0.2.11",
    "cluster-data-port": 4790,
    "cluster-store-opts": { "kv.path": "lab" },
  };
  expect(load([], file("given.json", JSON.stringify(json)))).toMatchObject({
    store: { clusterId: "lab" },
    advertise: "192.0.2.11",
    dataPort: 4790,
  });
});

test("several clusters share a store by their names, which the option says as the address does", () => {
  expect(load(store).store?.clusterId).toBe("default");
  expect(load([...store, "--cluster-store-opt", "kv.path=/lab/"]).store?.clusterId).toBe("lab");
  const both = ["--cluster-store", "etcd://192.0.2.9/lab", "--cluster-store-opt", "kv.path=lab"];
  expect(load(both).store?.clusterId).toBe("lab");
});

describe("secrets", () => {
  test("are read at the start", () => {
    const password = file("password", "s3cret\n");
    const options = [
      `cacertfile=${ca}`,
      `certfile=${ca}`,
      `keyfile=${key}`,
      "username=net",
      `passwordfile=${password}`,
    ];
    const words = options.flatMap((option) => ["--cluster-store-opt", `kv.${option}`]);
    expect(load([...store, ...words]).store).toMatchObject({
      tls: { ca: expect.stringContaining("BEGIN CERTIFICATE"), key: expect.stringContaining("PRIVATE KEY") },
      auth: { user: "net", password: "s3cret" },
    });
  });

  test("may be a password on the command line", () => {
    const words = ["--cluster-store-opt", "kv.username=net", "--cluster-store-opt", "kv.password=a=b"];
    expect(load([...store, ...words]).store?.auth).toEqual({ user: "net", password: "a=b" });
  });
});

const option = (...pairs: string[]) => [...store, ...pairs.flatMap((pair) => ["--cluster-store-opt", pair])];

test.each([
  [["--cluster-store", "192.0.2.9:2379"], "--cluster-store: 192.0.2.9:2379: etcd://HOST:PORT"],
  [["--cluster-store", "consul://192.0.2.9"], "--cluster-store: consul:// is no store that is known here"],
  [["--cluster-store", "etcd://"], "--cluster-store: etcd://: etcd://HOST:PORT"],
  [["--cluster-store", "etcd://a:99999"], "--cluster-store: store endpoint a: no port 99999"],
  [["--cluster-store", "etcd://a b/x"], "--cluster-store:"],
  [["--cluster-store", "etcd://me:secret@a"], "go into --cluster-store-opt"],
  [["--cluster-store", "etcd://a/x y"], "--cluster-store: x y is no name of a cluster"],
  [["--cluster-store", "etcd://a/x/y"], "--cluster-store: x/y is no name of a cluster"],
  [["--cluster-store-opt", "kv.path=x"], "--cluster-store-opt: there is no --cluster-store"],
  [option("kv.nope=1"), "--cluster-store-opt: there is no option kv.nope (there are kv.cacertfile,"],
  [option(`kv.certfile=${ca}`), "kv.certfile and kv.keyfile are wanted together"],
  [option("kv.cacertfile=/nowhere"), "--cluster-store-opt kv.cacertfile: ENOENT"],
  [option(`kv.cacertfile=${key}`), "holds no certificate in PEM"],
  [option(`kv.certfile=${ca}`, `kv.keyfile=${ca}`), "holds no private key in PEM"],
  [option("kv.username=net"), "kv.username and a password are wanted together"],
  [option("kv.password=x"), "kv.username and a password are wanted together"],
  [option("kv.username=n", "kv.password=x", "kv.passwordfile=/y"), "exclude each other"],
  [["--cluster-store", "etcd://a/x", "--cluster-store-opt", "kv.path=y"], "kv.path: y is not the /x of"],
  [["--cluster-data-port", "70000"], "--cluster-data-port: 70000 is not a port"],
  [["--cluster-data-port", "-1"], "--cluster-data-port: -1 is below zero"],
])("%j is refused by name", (words, message) => {
  expect(() => load(words)).toThrow(message);
});

test("what is refused tells no secret", () => {
  const given = file("twice.json", '{"cluster-store-opts": {"kv.username": "net", "kv.password": "s3cret"}}');
  const twice = () => load(option("kv.username=net", "kv.password=s3cret"), given);
  expect(twice).toThrow("both as a flag and in the configuration file: cluster-store-opts");
  expect(twice).toThrow(expect.objectContaining({ message: expect.not.stringContaining("s3cret") }));
  for (const words of [
    option("kv.username=", "kv.password=s3cret"),
    ["--cluster-store", "etcd://me:s3cret@a"],
  ])
    expect(() => load(words)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("s3cret") }),
    );
});
