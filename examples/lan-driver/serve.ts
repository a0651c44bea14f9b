// The plugin's program: both drivers behind one socket, whose name is the driver's.
//
//   node serve.ts [/run/docker/plugins/lan.sock [/var/lib/lan-driver]]

import { join } from "node:path";
import { servePlugin } from "tsdocker/driverkit";
import * as kernel from "tsdocker/kernel";
import { createLanIpam } from "./ipam.ts";
import { createLanNetworks } from "./network.ts";
import { openNotes } from "./notes.ts";

const [socket = "/run/docker/plugins/lan.sock", folder = "/var/lib/lan-driver"] = process.argv.slice(2);

const netlink = await kernel.openNetlink();
const plugin = await servePlugin(
  {
    network: createLanNetworks({ netlink, link: kernel }, openNotes(join(folder, "networks.json"))),
    ipam: createLanIpam(openNotes(join(folder, "addresses.json"))),
  },
  { on: socket },
);
console.log(`lan is on ${socket}`);

const end = async () => {
  await plugin.close();
  await netlink.close();
};
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void end());
