// All steps, in the order in which they are sent: an area leaves nothing behind that the next one would notice.

import type { Step } from "../step.ts";
import { containerCreateSteps } from "./container-create.ts";
import { containerLifeSteps } from "./container-life.ts";
import { containerListSteps } from "./container-list.ts";
import { execSteps } from "./execs.ts";
import { imageSteps } from "./images.ts";
import { networkConnectSteps } from "./network-connect.ts";
import { networkSteps } from "./networks.ts";
import { protocolSteps } from "./protocol.ts";
import { streamSteps } from "./streams.ts";
import { systemSteps } from "./system.ts";
import { volumeSteps } from "./volumes.ts";

export const areas: Readonly<Record<string, readonly Step[]>> = {
  protocol: protocolSteps,
  system: systemSteps,
  images: imageSteps,
  volumes: volumeSteps,
  networks: networkSteps,
  "container create": containerCreateSteps,
  "container life": containerLifeSteps,
  "container list": containerListSteps,
  "network connect": networkConnectSteps,
  execs: execSteps,
  streams: streamSteps,
};
