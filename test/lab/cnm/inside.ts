// A container's netns as a lab host, to listen in and ask from.

import { openNetlink } from "../../../src/kernel/index.ts";
import { LabHost } from "../lab.ts";

export async function inside(name: string, netns: string): Promise<LabHost & AsyncDisposable> {
  const host = new LabHost(name, netns, await openNetlink(netns));
  return Object.assign(host, { [Symbol.asyncDispose]: () => host.close() });
}
