// Drivers of a configuration: those that fit are there, the others are missing by name, and nobody else minds.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PluginDrivers } from "../../../../src/cnm/index.ts";
import { loadDrivers } from "../../../../src/daemon/loaded-drivers/index.ts";
import type { Host } from "../../../../src/driverapi/index.ts";
import { openStore, type Store } from "../../../../src/store/index.ts";
import { silentLog } from "../../../../src/util/log.ts";
import { Undo } from "../../../../src/util/undo.ts";
import { limits, networkDriver, notedLog } from "./fakes.ts";

let folder: string;
let store: Store;
let undo: Undo;
const hosts: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loaded-"));
  store = openStore(join(folder, "store"));
  undo = new Undo(silentLog);
  hosts.length = 0;
});
afterEach(async () => {
  await undo.dispose();
  await store.close();
  rmSync(folder, { recursive: true });
});

const methods = (names: string) =>
  names
    .split(" ")
    .map((name) => `async ${name}() {}`)
    .join(", ");
const network = methods("createNetwork deleteNetwork createEndpoint deleteEndpoint join leave");
const ipam = methods("defaultAddressSpaces requestPool releasePool requestAddress releaseAddress");
const local = 'capabilities: { scope: "local", connectivityScope: "local", replay: true }';
const replays = "capabilities: { requiresMacAddress: false, requiresRequestReplay: true }";

/** A module, by what it exports besides the contract. */
function module(name: string, text: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, `export const contract = 1;\n${text}\n`);
  return path;
}

const good = () => module("good", `export default () => ({ ${local}, ${network} });`);
const noOthers = {
  find: async () => undefined,
  recall: () => undefined,
  isAway: () => false,
  follow: () => () => undefined,
};
const noPlugins: PluginDrivers = { network: noOthers, ipam: noOthers };

function load(wanted: Readonly<Record<string, string>>, log = silentLog) {
  const hostOf = (name: string) => {
    hosts.push(name);
    return {} as Host;
  };
  return loadDrivers(wanted, {
    hostOf,
    ipamOptions: { defaultPools: [] },
    taken: ["bridge"],
    store,
    limits: { ...limits, careMs: 1_000 },
    log,
    undo,
  });
}

test("a driver is there under the name that it is given, with a host of its own", async () => {
  const loaded = await load({ wire: good(), again: good() });
  expect(loaded.network.map(({ name }) => name)).toEqual(["wire", "again"]);
  expect(hosts.toSorted()).toEqual(["again", "wire"]);
});

test("one module may be a driver of networks and of addresses", async () => {
  const both = module(
    "both",
    `export default () => ({ ${local}, ${network} });\nexport const createIpam = () => ({ ${replays}, ${ipam} });`,
  );
  const loaded = await load({ wire: both });
  expect([loaded.network[0]?.name, loaded.ipam[0]?.name]).toEqual(["wire", "wire"]);
});

describe("a driver that does not fit is left out, with the reason in the log", () => {
  test.each([
    [
      "bridge",
      `export default () => ({ ${local}, ${network} });`,
      "the name bridge is taken by a driver of tsdocker's own",
    ],
    ["a/b", `export default () => ({ ${local}, ${network} });`, '\\"a/b\\" is no name of a driver'],
    ["wire", "export default () => { throw new Error('no wire here'); };", "its factory: no wire here"],
    ["wire", "export default () => 5;", "its factory answers 5, and a network driver is needed"],
    ["wire", `export default async () => ({ ${local}, ${network} });`, "its factory answers a promise"],
    [
      "wire",
      `export default () => ({ ${local}, async join() {} });`,
      "its factory makes no network driver: createNetwork, ",
    ],
    ["wire", `export default () => ({ ${network} });`, "capabilities are missing"],
    [
      "wire",
      `export default () => ({ capabilities: { scope: "swarm" }, ${network} });`,
      `capabilities.scope is 'swarm', not \\"local\\" or \\"global\\"`,
    ],
    [
      "wire",
      `export default () => ({ capabilities: { scope: "global", connectivityScope: "local", replay: true }, ${network} });`,
      "endpoints of one network would not reach each other",
    ],
    [
      "wire",
      `export default () => ({ capabilities: { scope: "local", connectivityScope: "local", replay: true, predefinedOnly: true }, ${network} });`,
      "nobody could make a network of it",
    ],
    [
      "wire",
      `export const createIpam = () => ({ capabilities: {}, ${ipam} });`,
      "capabilities.requiresMacAddress is undefined",
    ],
    ["wire", "await new Promise(() => {});", "no answer within 1 s"],
  ])("%s: %s", async (name, text, words) => {
    const { log, lines } = notedLog();
    const loaded = await load(
      { [name]: module(`m${name.length}`, `${text}\n// ${words.length}`), good: good() },
      log,
    );
    expect(loaded.network.map(({ name }) => name)).toEqual(["good"]);
    expect(lines.join("\n")).toContain("cannot load driver: the daemon goes on without it");
    expect(lines.join("\n")).toContain(words);
  });
});

describe("a driver that is missing", () => {
  test("is told by name to who wants a network of it", async () => {
    const { network } = (await load({ wire: join(folder, "nowhere.mjs") })).beside(noPlugins);
    await expect(network.find("wire")).rejects.toThrow("driver wire was not loaded: import: ");
    expect(await network.find("other")).toBeUndefined();
    expect([network.isAway("wire"), network.isAway("other")]).toEqual([true, false]);
  });

  test("leaves its networks on the list, to be removed, and refuses containers", async () => {
    await load({ wire: good() });
    const { network } = (await load({ wire: join(folder, "nowhere.mjs") })).beside(noPlugins);
    const absent = network.recall("wire");
    expect(absent?.capabilities).toEqual({ scope: "local", connectivityScope: "local", replay: true });
    await expect(absent?.createNetwork({} as never)).rejects.toThrow("driver wire is not here: ");
    await expect(absent?.join({} as never)).rejects.toThrow("nowhere.mjs: no such file or folder");
    await absent?.deleteNetwork({ networkId: "n" });
    expect(network.recall("other")).toBeUndefined();
  });

  test("that nobody names any more says how it comes back, unless a plugin took its place", async () => {
    await load({ wire: good() });
    const loaded = await load({});
    await expect(
      loaded
        .beside(noPlugins)
        .network.recall("wire")
        ?.join({} as never),
    ).rejects.toThrow("driver wire is not here: the daemon was started without --driver wire=MODULE");
    const plugin = networkDriver();
    const plugins = { ...noPlugins, network: { ...noOthers, recall: () => plugin } };
    expect(loaded.beside(plugins).network.recall("wire")).toBe(plugin);
  });

  test("of addresses leaves leases as they are on record", async () => {
    const pool = module("pool", `export const createIpam = () => ({ ${replays}, ${ipam} });`);
    await load({ pool });
    const absent = (await load({})).beside(noPlugins).ipam.recall("pool");
    expect(absent?.capabilities.requiresRequestReplay).toBe(false);
    await expect(absent?.requestAddress({} as never)).rejects.toThrow("driver pool is not here");
    await absent?.releasePool("p");
  });
});
