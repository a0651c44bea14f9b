// The sandboxes of one controller, by container.

import type { ControllerParts } from "./controller-parts.ts";
import type { Netns } from "./netns.ts";
import type { Network } from "./network.ts";
import type { SandboxRecord } from "./records.ts";
import { Sandbox, type SandboxKeeper } from "./sandbox.ts";

/** Kept by the controller. A container has at most one sandbox. */
export class Sandboxes implements SandboxKeeper {
  readonly #parts: ControllerParts;
  readonly #byContainer = new Map<string, Sandbox>();

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  /** A sandbox without endpoints yet, listed from now on until it is deleted. It owns the netns. */
  open(record: SandboxRecord, netns: Netns | undefined): Sandbox {
    const sandbox = new Sandbox(this.#parts, { keeper: this, record, netns });
    this.#byContainer.set(sandbox.containerId, sandbox);
    return sandbox;
  }

  get(containerId: string): Sandbox | undefined {
    return this.#byContainer.get(containerId);
  }

  all(): readonly Sandbox[] {
    return [...this.#byContainer.values()];
  }

  changed(sandbox: Sandbox, networks: ReadonlySet<Network>): void {
    for (const other of this.#byContainer.values()) {
      if (other === sandbox || !other.isOn(networks)) continue;
      this.#parts.background.run("refresh links", () => other.refreshLinks());
    }
  }

  /** Services of these networks have changed. */
  servicesChanged(networkIds: ReadonlySet<string>): void {
    const networks = new Set([...networkIds].flatMap((id) => this.#parts.networks.get(id) ?? []));
    for (const sandbox of this.#byContainer.values())
      if (sandbox.isOn(networks))
        this.#parts.background.run("balance services", () => sandbox.followServices());
  }

  ended(sandbox: Sandbox): void {
    const { containerId } = sandbox;
    if (this.#byContainer.get(containerId) === sandbox) this.#byContainer.delete(containerId);
  }
}
