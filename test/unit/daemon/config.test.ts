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
  [["--bip", "10.0.0.0/24"], "--bip: 10.0.0.0/24 is a subnet and not an address in one"],
  [["--bip", "2001:db8::1/64"], "--bip: invalid CIDR address: 2001:db8::1/64"],
  [["--bip6", "10.0.0.1/24"], "--bip6: invalid CIDR address: 10.0.0.1/24"],
  [["--bridge", "br0", "--bip6", "2001:db8::1/64"], "you specified -b & --bip6, mutually exclusive options"],
  [["--fixed-cidr", "10.0.0.1/24"], "--fixed-cidr: 10.0.0.1/24 has host bits set"],
  [
    ["--bip", "10.0.0.1/24", "--fixed-cidr", "10.0.1.0/25"],
    "--fixed-cidr: 10.0.1.0/25 is not within the bridge's subnet 10.0.0.0/24",
  ],
  [
    ["--bip6", "2001:db8::1/64", "--fixed-cidr-v6", "2001:db8::/48"],
    "--fixed-cidr-v6: 2001:db8::/48 is not within the bridge's subnet 2001:db8::/64",
  ],
  [["--default-gateway", "2001:db8::1"], "--default-gateway: 2001:db8::1 is not an IPv4 address"],
  [["--default-gateway-v6", "10.0.0.1"], "--default-gateway-v6: 10.0.0.1 is not an IPv6 address"],
  [["--iptables=false", "--icc=false"], "You specified --iptables=false with --icc=false"],
  [["--default-address-pool", "base=10.0.0.0/8,length=24"], "unexpected key 'length' in"],
  [["--default-address-pool", "10.0.0.0/8"], "invalid field '10.0.0.0/8' must be a key=value pair"],
  [["--mtu", "5"], "--mtu: 5 is not between 68 and 65535"],
  [["--dns", "x"], "--dns: x is not an ip address"],
  [["--default-address-pool", "base=10.0.0.0/8,size=4"], "the size is not within the base"],
  [["--bridge-accept-fwmark", "1/2/3"], 'invalid bridge-accept-fwmark "1/2/3"'],
  [["--bridge-accept-fwmark", "0x100000000"], 'invalid bridge-accept-fwmark "0x100000000"'],
  [["--firewall-backend", "pf"], 'invalid firewall-backend "pf"'],
  [["--log-level", "loud"], "invalid logging level: loud"],
  [["--data-root", "here"], "--data-root: here is not an absolute path"],
  [["--config-file", "/nonexistent.json"], "open /nonexistent.json: no such file or directory"],
])("%j is refused", (words, message) => {
  expect(() => loadConfig(parseFlags(words, "0").given)).toThrow(message);
});

test("both families of the default bridge are read, from flags and from the file", () => {
  const words = ["--ipv6", "--bip6", "2001:db8::1/64", "--fixed-cidr-v6", "2001:db8::/80"];
  const flags = load([...words, "--default-gateway-v6", "2001:db8::2"], "").network;
  const file = load(
    [],
    '{"ipv6": true, "bip6": "2001:db8::1/64", "fixed-cidr-v6": "2001:db8::/80", "default-gateway-v6": "2001:db8::2"}',
  ).network;
  expect(flags).toMatchObject({ ipv6: true, bip6: { length: 64 }, fixedCidrIpv6: { length: 80 } });
  expect(file).toEqual(flags);
});

test("default options of networks are a map of maps, by driver", () => {
  const words = [
    ["--default-network-opt", "bridge=com.docker.network.driver.mtu=1400"],
    ["--default-network-opt", "bridge=tsdocker.dns=192.0.2.1,192.0.2.2"],
    ["--default-network-opt", "macvlan=parent=eth0"],
  ].flat();
  const wanted = {
    bridge: { "com.docker.network.driver.mtu": "1400", "tsdocker.dns": "192.0.2.1,192.0.2.2" },
    macvlan: { parent: "eth0" },
  };
  expect(load(words, "").network.defaultNetworkOptions).toEqual(wanted);
  const file = JSON.stringify({ "default-network-opts": wanted });
  expect(load([], file).network.defaultNetworkOptions).toEqual(wanted);
  for (const wrong of ["[]", '{"bridge": "x"}', '{"bridge": {"com.docker.network.driver.mtu": 1400}}'])
    expect(() => load([], `{"default-network-opts": ${wrong}}`)).toThrow(
      "default-network-opts: a mapmap is wanted",
    );
});

test.for([
  ["0x10/0xf0", 0x10, 0xf0],
  ["7", 7, 0xffffffff],
] as const)("--bridge-accept-fwmark %s is a mark and a mask", ([text, value, mask]) => {
  expect(load(["--bridge-accept-fwmark", text], "").network.firewall.acceptMark).toEqual({ value, mask });
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

test("what cannot be followed is refused by name and with the reason, as a flag and as a key", () => {
  expect(() => load(["--userland-proxy-path", "/usr/bin/docker-proxy"])).toThrow(
    "--userland-proxy-path is not supported: tsdocker-proxy, which also answers names, is the only proxy that there is",
  );
  expect(() => load([], '{"network-control-plane-mtu": 1450}')).toThrow(
    "network-control-plane-mtu is not supported: there is no swarm here",
  );
  expect(() => load([], '{"network-diagnostic-port": 1, "nonsense": 1}')).toThrow(
    "network-diagnostic-port is not",
  );
});

test("direct routing and a resolv.conf of one's own are off unless they are given", () => {
  expect(load([], "{}").network).toMatchObject({ allowDirectRouting: false, resolvConf: undefined });
  const given = load(["--allow-direct-routing"], '{"resolv-conf": "/etc/containers-dns"}').network;
  expect(given).toMatchObject({ allowDirectRouting: true, resolvConf: "/etc/containers-dns" });
  expect(() => load(["--resolv-conf", "relative"])).toThrow(
    "--resolv-conf: relative is not an absolute path",
  );
});
