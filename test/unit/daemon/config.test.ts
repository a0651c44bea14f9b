// Flags and the configuration file, merged.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { loadConfig } from "../../../src/daemon/config.ts";
import { parseFlags } from "../../../src/daemon/flags.ts";
import { formatRecord } from "../../../src/daemon/log.ts";

const folder = mkdtempSync(join(tmpdir(), "config-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function load(words: string[], json?: string) {
  const path = join(folder, `daemon-${files++}.json`);
  if (json !== undefined) writeFileSync(path, json);
  const file = json === undefined ? [] : ["--config-file", path];
  return loadConfig(parseFlags([...words, ...file], "0").given);
}

test("without flags and file there are Docker's defaults", () => {
  const config = load([], "");
  expect(config.hosts).toEqual([{ kind: "unix", path: "/var/run/docker.sock" }]);
  expect(config.network).toMatchObject({ icc: true, ipMasq: true, ipForward: true, userlandProxy: false });
  expect(config.network.mtu).toBeUndefined();
});

test("flags and keys of the file are merged", () => {
  const config = load(
    ["-H", "unix:///tmp/a.sock", "-H", "tcp://127.0.0.1:2375", "--icc=false", "-D"],
    '{"bip": "10.1.0.1/24", "dns": ["1.1.1.1"], "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}]}',
  );
  expect(config.hosts).toHaveLength(2);
  expect(config.logLevel).toBe("debug");
  expect(config.network.icc).toBe(false);
  expect(config.network.bip?.length).toBe(24);
  expect(config.network.addressPools[0]?.size).toBe(24);
});

test.each([
  ['{"nope": 1}', [], "the following directives don't match any configuration option: nope"],
  [
    '{"debug": true}',
    ["--debug"],
    "specified both as a flag and in the configuration file: debug: (from flag: true, from file: true)",
  ],
  ['{"mtu": 1400, "mtu": 1500}', [], "the following directives are given twice: mtu"],
  ['{"mtu": "big"}', [], 'mtu: a integer is wanted, not "big"'],
  ["[]", [], "the file holds no JSON object"],
  ["{", [], "unable to configure the Docker daemon with file"],
])("the file %s is refused", (json, words, message) => {
  expect(() => load(words, json)).toThrow(message);
});

test.each([
  [["-H", "tcp://0.0.0.0:2375"], "plain TCP would hand root on this machine to the network"],
  [["-H", "ftp://x"], "invalid bind address (ftp://x)"],
  [["--bip", "10.0.0.0"], "--bip: invalid CIDR address: 10.0.0.0"],
  [["--bridge", "br0", "--bip", "10.0.0.1/24"], "mutually exclusive options"],
  [["--mtu", "5"], "--mtu: 5 is not between 68 and 65535"],
  [["--dns", "x"], "--dns: x is not an ip address"],
  [["--default-address-pool", "base=10.0.0.0/8,size=4"], "the size is not within the base"],
  [["--firewall-backend", "pf"], 'invalid firewall-backend "pf"'],
  [["--log-level", "loud"], "invalid logging level: loud"],
  [["--data-root", "here"], "--data-root: here is not an absolute path"],
  [["--config-file", "/nonexistent.json"], "open /nonexistent.json: no such file or directory"],
])("%j is refused", (words, message) => {
  expect(() => loadConfig(parseFlags(words, "0").given)).toThrow(message);
});

test("--iptables=false means no firewall at all", () => {
  expect(load(["--iptables=false"], "").network.firewall.backend).toBe("none");
});

test("a log record is one line that people can read", () => {
  const line = formatRecord('{"level":40,"time":0,"container":"ab","reason":"two words","msg":"it failed"}');
  expect(line).toBe('1970-01-01T00:00:00.000Z warn  it failed container=ab reason="two words"\n');
});

test("help lists every option with its default, and an unknown flag is refused in dockerd's words", () => {
  const written: string[] = [];
  const [out, err] = [vi.spyOn(process.stdout, "write"), vi.spyOn(process.stderr, "write")];
  for (const stream of [out, err]) stream.mockImplementation((text) => written.push(String(text)) > 0);
  try {
    expect(() => parseFlags(["--help"], "0")).toThrow();
    expect(() => parseFlags(["--bogus"], "0")).toThrow();
  } finally {
    for (const stream of [out, err]) stream.mockRestore();
  }
  const text = written.join("");
  expect(text).toMatch(/^ {2}-b, --bridge string +Attach containers/m);
  expect(text).toMatch(/^ {6}--icc +.* \(default true\)$/m);
  expect(text).toContain("unknown flag: --bogus\nSee 'tsdockerd --help'.\n");
});
