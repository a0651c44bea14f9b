// Drivers behind sockets, each in a namespace of its own with one link, as the kit gives it to those in process.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import { createLanIpam } from "../../../examples/lan-driver/ipam.ts";
import { createLanNetworks } from "../../../examples/lan-driver/network.ts";
import { openNotes } from "../../../examples/lan-driver/notes.ts";
import type { Host } from "../../../src/driverapi/index.ts";
import { servePlugin } from "../../../src/driverkit/index.ts";
import * as kernel from "../../../src/kernel/index.ts";
import type { Undo } from "../../../src/util/undo.ts";

type Served = Parameters<typeof servePlugin>[0];
/** All that these drivers take of their host. */
type Hands = Pick<Host, "netlink" | "link">;
let count = 0;

async function serve(
  undo: Undo,
  drivers: (hands: Hands, folder: string) => Served,
): Promise<{ readonly path: string; readonly netns: string }> {
  const folder = await mkdtemp(join(tmpdir(), "tsdocker-plugin-"));
  undo.defer("remove folder", () => rm(folder, { recursive: true }));
  const pins = `/run/tsdocker-plugin-${process.pid}-${++count}`;
  undo.defer("delete pins", () => kernel.deleteNetnsFolder(pins));
  const netns = `${pins}/host`;
  await kernel.createNetns(netns);
  undo.defer("delete netns", () => kernel.deleteNetns(netns));
  const netlink = await kernel.openNetlink(netns);
  undo.defer("close netlink", () => netlink.close());
  const uplink = kernel.createVeth({ name: "eth0", up: true, peer: { name: "wire" } });
  await netlink.send(kernel.setLink("lo", { up: true }), uplink, kernel.setLink("wire", { up: true }));
  const path = join(folder, "plugin.sock");
  const plugin = await servePlugin(drivers({ netlink, link: kernel }, folder), { on: path });
  undo.defer("close plugin", () => plugin.close());
  return { path, netns };
}

/** The default addresses, as they are in process too. */
export const serveAddresses = (undo: Undo) =>
  serve(undo, () => ({ ipam: createDefaultIpam({ defaultPools: [], hostId: "plugin" }) }));

/** The example of a LAN that is somebody else's: both drivers. */
export const serveLan = (undo: Undo) =>
  serve(undo, (hands, folder) => ({
    network: createLanNetworks(hands, openNotes(join(folder, "networks.json"))),
    ipam: createLanIpam(openNotes(join(folder, "addresses.json"))),
  }));
