// What the plugin protocol adds to an endpoint: the same driver in this process, and behind a socket in one of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createRemoteDriver, readCapabilities } from "../../drivers/remote/index.ts";
import type { NetworkDriver } from "../../src/driverapi/index.ts";
import { createNetns, deleteNetns, deleteNetnsFolder, openNetlink } from "../../src/kernel/index.ts";
import { parsePrefix } from "../../src/netip/index.ts";
import { Plugins } from "../../src/plugins/index.ts";
import { newId } from "../../src/util/ids.ts";
import { silentLog } from "../../src/util/log.ts";
import { wirePlugin } from "../../test/e2e/wire-plugin.ts";
import { type Bench, type Measure, timed } from "../measure.ts";

/** A 99th percentile wants more samples than a median. */
const roundsPerRound = 10;

export const pluginsMeasure: Measure = {
  name: "plugins",
  needsDaemons: false,
  async run(bench) {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), "bench-plugins-"));
    stack.defer(() => rm(folder, { recursive: true }));
    const netns = join(folder, "netns", "wire");
    stack.defer(() => deleteNetnsFolder(dirname(netns)));
    await createNetns(netns);
    stack.defer(() => deleteNetns(netns));
    const netlink = stack.use(await openNetlink(netns));
    const sockets = join(folder, "plugins");
    await mkdir(sockets);
    const child = await startWire(netns, join(sockets, "wire.sock"));
    stack.defer(() => end(child));
    const plugins = new Plugins({ folders: { sockets, specs: [] }, log: silentLog });
    stack.defer(() => plugins.close());
    const caller = plugins.caller("wire");
    const near = wirePlugin(netlink).driver;
    const far = createRemoteDriver(caller, await readCapabilities(caller));
    await takeTurns(bench, near, far);
  },
};

async function startWire(netns: string, socket: string): Promise<ChildProcess> {
  const program = join(import.meta.dirname, "plugins-wire.ts");
  const child = spawn(process.execPath, [program, netns, socket], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`the wire driver ended with ${code}`)));
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await ended;
}

async function takeTurns({ report, sizes }: Bench, near: NetworkDriver, far: NetworkDriver): Promise<void> {
  const [nearNetwork, farNetwork] = [await createNetwork(near), await createNetwork(far)];
  for (let at = -1; at < sizes.rounds * roundsPerRound; at++) {
    const inProcess = await endpoint(near, nearNetwork);
    const overSocket = await endpoint(far, farNetwork);
    // the first one warms
    if (at < 0) continue;
    for (const part of ["comes", "goes"] as const) {
      report.add(`endpoint of a plugin ${part} (floor: in process)`, "tsdockerd", overSocket[part]);
      report.add(`endpoint of a plugin ${part} (floor: in process)`, "floor", inProcess[part]);
    }
    report.add("protocol, per endpoint that comes", "tsdockerd", overSocket.comes - inProcess.comes);
  }
  await near.deleteNetwork({ networkId: nearNetwork });
  await far.deleteNetwork({ networkId: farNetwork });
}

async function createNetwork(driver: NetworkDriver): Promise<string> {
  const networkId = newId();
  const options = { enableIpv4: true, enableIpv6: false, internal: false, generic: {} };
  await driver.createNetwork({ networkId, networkName: "bench", options, ipv4Data: [], ipv6Data: [] });
  return networkId;
}

/** As the controller asks for one, milliseconds each way. */
async function endpoint(driver: NetworkDriver, networkId: string): Promise<{ comes: number; goes: number }> {
  const ref = { networkId, endpointId: newId() };
  const address = parsePrefix("10.9.0.7/24");
  const options = { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} };
  const { ms: comes } = await timed(async () => {
    await driver.createEndpoint({ ...ref, interface: address ? { address } : {}, options });
    await driver.join({ ...ref, sandboxKey: "/run/netns/bench", freeIndex: 2, suggestedName: "eth0" });
  });
  const { ms: goes } = await timed(async () => {
    await driver.leave(ref);
    await driver.deleteEndpoint(ref);
  });
  return { comes, goes };
}
