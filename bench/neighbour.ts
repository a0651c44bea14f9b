// A machine on a link of a daemon's, for what comes from outside.

import {
  addAddress,
  createNetns,
  createVeth,
  deleteNetns,
  deleteNetnsFolder,
  openNetlink,
  setLink,
} from "../src/kernel/index.ts";
import { parsePrefix } from "../src/netip/index.ts";

/** Addresses of the daemon's machine and of its neighbour. */
export const lan = { machine: "192.0.2.1", neighbour: "192.0.2.2" } as const;

/** Runs `work` with a netns on a link of the one that is given, both by path. */
export async function withNeighbour(machine: string, work: (netns: string) => Promise<void>): Promise<void> {
  const folder = `/run/tsdocker-bench-${process.pid}-lan`;
  const netns = `${folder}/neighbour`;
  await createNetns(netns);
  try {
    await using here = await openNetlink(machine);
    await using there = await openNetlink(netns);
    await here.send(createVeth({ name: "lan", up: true, peer: { name: "lan", netns } }));
    await there.send(setLink("lan", { up: true }));
    await here.send(addAddress(await addressOn(here, lan.machine)));
    await there.send(addAddress(await addressOn(there, lan.neighbour)));
    await work(netns);
  } finally {
    await deleteNetns(netns);
    await deleteNetnsFolder(folder);
  }
}

async function addressOn(netlink: Awaited<ReturnType<typeof openNetlink>>, address: string) {
  const prefix = parsePrefix(`${address}/24`);
  const link = await netlink.link("lan");
  if (!prefix || !link) throw new Error(`put ${address} on a link: there is none`);
  return { link: link.index, prefix };
}
