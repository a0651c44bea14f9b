// A chain of CNI plugins that leaves nothing on the host when its endpoints are gone: a link each, without a bridge.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DriverTraits } from "../../../src/driverapi/index.ts";
import type { Undo } from "../../../src/util/undo.ts";

/** Of the cni driver with plugins of Debian's containernetworking-plugins. */
export async function ptpTraits(undo: Undo): Promise<DriverTraits> {
  const dataDir = await mkdtemp(join(tmpdir(), "tsdocker-cni-"));
  undo.defer("remove leases", () => rm(dataDir, { recursive: true }));
  const subnet = "198.18.{number}.0/24";
  // few: what is not given back is soon missed
  const range = { subnet, rangeStart: "198.18.{number}.10", rangeEnd: "198.18.{number}.20" };
  const ipam = { type: "host-local", dataDir, ranges: [[range]] };
  const plugins = [
    { type: "ptp", ipam },
    { type: "portmap", capabilities: { portMappings: true }, snat: true },
  ];
  const conf = JSON.stringify({ cniVersion: "1.0.0", name: "verify{number}", plugins });
  return {
    // with IPv6 the plugin waits seconds for each address to be nobody else's
    families: [4],
    // that is for the author of a configuration to say
    neverInternal: true,
    networkOptions: { "tsdocker.cni.conf": conf },
    wrongOption: { "tsdocker.cni.conf": "no configuration" },
  };
}
