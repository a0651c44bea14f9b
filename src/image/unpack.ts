// Layers into snapshots: each layer is applied on the one below and frozen under its chain id.

import { randomBytes } from "node:crypto";
import type { Containerd, Descriptor, Snapshots } from "../runtime/index.ts";
import { invalid } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";
import { chainIds } from "./oci.ts";
import { type Report, shortDigest } from "./progress.ts";
import { SharedWork } from "./shared-work.ts";

/** One layer of a stack: what to apply, and what comes out. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly chainId: string;
  /** The chain id of the layer below; empty for the lowest. */
  readonly parent: string;
}

const leaseMs = 60 * 60 * 1000;

/** Pairs a manifest's layers with a configuration's diff ids; throws invalid when their numbers differ. */
export function layersOf(descriptors: readonly Descriptor[], diffIds: readonly string[]): readonly Layer[] {
  if (descriptors.length !== diffIds.length)
    throw invalid(
      `invalid image: ${descriptors.length} layers in the manifest, ${diffIds.length} in the configuration`,
    );
  const chain = chainIds(diffIds);
  return descriptors.map((descriptor, at) => ({
    descriptor,
    diffId: diffIds[at] ?? "",
    chainId: chain[at] ?? "",
    parent: chain[at - 1] ?? "",
  }));
}

/** Unpacks layers; two images that share one share the work. */
export class Unpacker {
  readonly #containerd: Containerd;
  readonly #log: Log;
  readonly #work = new SharedWork<void>();

  constructor(containerd: Containerd, log: Log) {
    this.#containerd = containerd;
    this.#log = log;
  }

  isUnpacked(chainId: string): Promise<boolean> {
    return this.#containerd.snapshots.stat(chainId).then((info) => info?.kind === "committed");
  }

  /** Makes the layer's snapshot unless it exists. The caller holds a lease on the blob and on the chain id. */
  async unpack(layer: Layer, report: Report, signal: AbortSignal): Promise<void> {
    if (await this.isUnpacked(layer.chainId)) return;
    const { size, digest } = layer.descriptor;
    const line = (current: number) =>
      report({ status: "Extracting", id: shortDigest(digest), progressDetail: { current, total: size } });
    line(0);
    await this.#work.run(layer.chainId, { report, signal }, (caller) => this.#apply(layer, caller.signal));
    line(size);
  }

  /**
   * Unpacks a lowest layer whose diff id nobody knows yet, and answers it; its snapshot has the same name. `hold` is
   * called before the snapshot is there, so that the caller's lease keeps it.
   */
  async unpackLowest(
    descriptor: Descriptor,
    hold: (diffId: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    return await this.#extract(descriptor, "", signal, async (diffId, snapshots, key) => {
      await hold(diffId);
      await snapshots.commit(diffId, key);
      return diffId;
    });
  }

  async #apply({ descriptor, diffId, parent, chainId }: Layer, signal: AbortSignal): Promise<void> {
    await this.#extract(descriptor, parent, signal, async (digest, snapshots, key) => {
      if (digest !== diffId)
        throw invalid(
          `unpack ${descriptor.digest}: wrong diff id calculated on extraction: ${digest}, not ${diffId}`,
        );
      await snapshots.commit(chainId, key);
    });
  }

  /** Applies a layer on a snapshot of its own, hands it to `use`, and removes what `use` did not commit. */
  async #extract<T>(
    descriptor: Descriptor,
    parent: string,
    signal: AbortSignal,
    use: (plainDigest: string, snapshots: Snapshots, key: string) => Promise<T>,
  ): Promise<T> {
    const suffix = randomBytes(6).toString("hex");
    await using undo = new Undo(this.#log);
    // A lease of its own: the callers' leases come and go while the work is shared.
    const lease = await this.#containerd.leases.create(`unpack-${suffix}`, { expiresInMs: leaseMs });
    undo.defer("delete lease", () => this.#containerd.leases.delete(lease.id));
    const { snapshots, diff } = this.#containerd.withLease(lease.id);
    const key = `extract-${suffix} ${descriptor.digest}`;
    const mounts = await snapshots.prepare(key, parent);
    undo.defer("remove snapshot", () => snapshots.remove(key));
    const applied = await diff.apply(descriptor, mounts, { signal });
    return await use(applied.digest, snapshots, key);
  }
}
