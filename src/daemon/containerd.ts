// Which containerd serves us: the one that was named, the system's if it answers, else one of our own.

import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  type Containerd,
  connectContainerd,
  probeContainerd,
  type Supervised,
  superviseContainerd,
} from "../runtime/index.ts";
import type { Log } from "../util/log.ts";
import type { Config } from "./config.ts";

const systemAddress = "/run/containerd/containerd.sock";
const probeTimeoutMs = 300;

export interface ContainerdHold {
  readonly containerd: Containerd;
  /** Present when it is our own. */
  readonly supervised: Supervised | undefined;
  /** Lets go of it; our own ends, unless it is to stay. */
  close(options: { readonly stays: boolean }): Promise<void>;
}

/** Connects to the containerd that is named, else to the system's, else to one that is started and watched. */
export async function holdContainerd(config: Config, log: Log): Promise<ContainerdHold> {
  const named = config.containerd ?? (await findSystemContainerd());
  const supervised = named === undefined ? await superviseOwn(config, log) : undefined;
  const address = named ?? supervised?.address ?? "";
  const containerd = await connectContainerd({ address, namespace: namespaceOf(config), log });
  log.info({ address, namespace: containerd.namespace }, "connected to containerd");
  return {
    containerd,
    supervised,
    async close({ stays }) {
      containerd.close();
      if (stays) supervised?.release();
      else await supervised?.stop();
    },
  };
}

function superviseOwn(config: Config, log: Log): Promise<Supervised> {
  return superviseContainerd({
    root: join(config.dataRoot, "containerd"),
    state: join(config.execRoot, "containerd"),
    logFile: join(config.execRoot, "containerd.log"),
    log,
  });
}

async function findSystemContainerd(): Promise<string | undefined> {
  return await probeContainerd(systemAddress, probeTimeoutMs).then(
    () => systemAddress,
    () => undefined,
  );
}

// daemons with different data roots may share one containerd: each keeps to a namespace of its own
function namespaceOf({ containerdNamespace, dataRoot }: Config): string {
  if (containerdNamespace !== "") return containerdNamespace;
  if (dataRoot === "/var/lib/tsdocker") return "tsdocker";
  return `tsdocker-${createHash("sha256").update(dataRoot).digest("hex").slice(0, 8)}`;
}
