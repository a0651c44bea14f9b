// Typed view of what the addon does with frames of a link (datagrams.cc).

import { addon } from "./index.ts";

export interface FramesAddon {
  /** Sends whole frames, link headers included, out of a link (its index) of a namespace. Rejects with ENXIO, ENETDOWN, … */
  framesSend(netns: string | undefined, link: number, frames: readonly Uint8Array[]): Promise<void>;
}

export function framesAddon(): FramesAddon {
  return addon() as unknown as FramesAddon;
}
