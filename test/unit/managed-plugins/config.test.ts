// What a managed plugin says of itself, and what users set of it.

import { describe, expect, test } from "vitest";
import {
  capabilitiesOf,
  isGranted,
  kindsOf,
  parsePluginConfig,
  privilegesOf,
} from "../../../src/managed-plugins/config.ts";
import { fullNameOf, readPluginName } from "../../../src/managed-plugins/names.ts";
import { defaultSettings, withSettings } from "../../../src/managed-plugins/settings.ts";

const minimal = {
  entrypoint: ["/run"],
  interface: { types: ["docker.networkdriver/1.0"], socket: "p.sock" },
};
const parse = (config: object) => parsePluginConfig(JSON.stringify(config));

const whole = parse({
  ...minimal,
  network: { type: "host" },
  ipchost: true,
  pidHost: true,
  mounts: [
    {
      name: "etc",
      source: "/etc",
      destination: "/host",
      type: "bind",
      options: ["rbind"],
      settable: ["source"],
    },
    { name: "later", destination: "/later", type: "bind" },
  ],
  linux: {
    capabilities: ["CAP_NET_ADMIN"],
    allowAllDevices: true,
    devices: [{ name: "tun", path: "/dev/net/tun", settable: ["path"] }],
  },
  env: [
    { name: "DEBUG", value: "0", settable: ["value"] },
    { name: "FIXED", value: "1" },
    { name: "UNSET", settable: ["value"] },
  ],
  args: { name: "args", value: ["-a"], settable: ["value"] },
});

describe("config.json", () => {
  test("is read in any case of its keys, and what it leaves out is Docker's nothing", () => {
    const config = parsePluginConfig(JSON.stringify({ ...minimal, EntryPoint: undefined, PIDHOST: true }));
    expect(config).toEqual({
      Args: { Name: "", Description: "", Settable: null, Value: null },
      Description: "",
      Documentation: "",
      Entrypoint: ["/run"],
      Env: null,
      Interface: { Types: ["docker.networkdriver/1.0"], Socket: "p.sock" },
      IpcHost: false,
      Linux: { AllowAllDevices: false, Capabilities: null, Devices: null },
      Mounts: null,
      Network: { Type: "" },
      PidHost: true,
      PropagatedMount: "",
      User: {},
      WorkDir: "",
    });
  });

  test.each([
    ["{", "plugin config: "],
    ["[]", "config is no object"],
    [JSON.stringify({ ...minimal, entrypoint: [] }), "entrypoint is missing"],
    [JSON.stringify({ ...minimal, entrypoint: "/run" }), "config.Entrypoint is no list"],
    [JSON.stringify({ ...minimal, interface: { types: [], socket: "../p.sock" } }), "is no name of a socket"],
    [
      JSON.stringify({ ...minimal, interface: { types: ["net"], socket: "p" } }),
      "no prefix.capability/version",
    ],
    [JSON.stringify({ ...minimal, env: [{ name: 7 }] }), "config.Env[0].Name is no text"],
  ])("%s is refused", (text, reason) => {
    expect(() => parsePluginConfig(text)).toThrow(reason);
  });

  test("says which drivers it is, by Docker's types alone", () => {
    const types = ["docker.networkdriver/1.0", "docker.ipamdriver/1.0", "other.networkdriver/1.0"];
    const config = parse({ ...minimal, interface: { types, socket: "p.sock" } });
    expect(capabilitiesOf(config)).toEqual(["networkdriver", "ipamdriver"]);
    expect(kindsOf(config)).toEqual(new Set(["NetworkDriver", "IpamDriver"]));
  });
});

describe("privileges", () => {
  test("are all that a container has not", () => {
    expect(privilegesOf(whole).map(({ Name, Value }) => [Name, ...Value])).toEqual([
      ["network", "host"],
      ["host ipc namespace", "true"],
      ["host pid namespace", "true"],
      ["mount", "/etc"],
      ["device", "/dev/net/tun"],
      ["allow-all-devices", "true"],
      ["capabilities", "CAP_NET_ADMIN"],
    ]);
    expect(privilegesOf(parse(minimal))).toEqual([]);
  });

  test("are granted in any order, and only whole", () => {
    expect(isGranted(whole, privilegesOf(whole).toReversed())).toBe(true);
    expect(isGranted(whole, privilegesOf(whole).slice(1))).toBe(false);
    expect(isGranted(parse(minimal), privilegesOf(whole))).toBe(false);
  });
});

describe("settings", () => {
  const settings = defaultSettings(whole);

  test("begin as the plugin has them", () => {
    expect(settings.Env).toEqual(["DEBUG=0", "FIXED=1"]);
    expect(settings.Args).toEqual(["-a"]);
  });

  test("are laid over, one after another", () => {
    const wishes = ["DEBUG=1", "UNSET.value=a=b", "etc.source=/opt", "tun=/dev/null", "args=-b -c"];
    const set = withSettings(whole, settings, wishes);
    expect(set.Env).toEqual(["FIXED=1", "DEBUG=1", "UNSET=a=b"]);
    expect(set.Mounts.map(({ Source }) => Source)).toEqual(["/opt", null]);
    expect(set.Devices.map(({ Path }) => Path)).toEqual(["/dev/null"]);
    expect(set.Args).toEqual(["-b", "-c"]);
  });

  test.each([
    ["=x", "invalid format"],
    ["", "invalid format"],
    ["NOBODY=1", 'setting "NOBODY" not found'],
    ["FIXED=2", '"FIXED" is not settable'],
    ["DEBUG.name=x", '"DEBUG.name" is not settable'],
    ["later=/x", '"later" is not settable'],
  ])("%j is refused", (wish, reason) => {
    expect(() => withSettings(whole, settings, [wish])).toThrow(reason);
  });
});

describe("a name", () => {
  test("has a tag, and the registry's where it is not Docker's", () => {
    expect(readPluginName("vendor/net")).toEqual({
      name: "vendor/net:latest",
      reference: "docker.io/vendor/net:latest",
    });
    expect(readPluginName("localhost:5000/net:1").name).toBe("localhost:5000/net:1");
    expect(() => readPluginName(`net@sha256:${"0".repeat(64)}`)).toThrow("canonical references");
  });

  test("that can be none of a plugin is none", () => {
    expect(fullNameOf("Not A Plugin")).toBeUndefined();
    expect(fullNameOf("net")).toBe("net:latest");
  });
});
