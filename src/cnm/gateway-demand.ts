// Who is about to need a way out that is not of his networks, and whose turn it is to make it.

import type { Endpoint } from "./endpoint.ts";
import type { Network } from "./network.ts";

/** Docker's name for the network that leads out (default_gateway_linux.go in libnetwork). */
export const gatewayNetworkName = "docker_gwbridge";

/** Owned by the controller. */
export class GatewayDemand {
  /** By driver: whether endpoints on its networks needed another way out, the last time. */
  readonly #needs = new Map<string, boolean>();
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** An endpoint has joined: the next one of its driver's will need the same. */
  note({ network, record, isHidden }: Endpoint): void {
    if (!network.record.internal && !isHidden)
      this.#needs.set(network.driver.name, record.needsGateway === true);
  }

  /** Whether a container on these networks, and no others, will need it. */
  foresees(networks: readonly Network[]): boolean {
    const leading = networks.filter(({ record }) => !record.internal);
    return leading.length > 0 && leading.every(({ driver }) => this.#needs.get(driver.name) === true);
  }

  /** Somebody makes it, or changes it. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Does this when all that was asked before is done. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const done = this.#turn.then(work).finally(() => this.#waiting--);
    this.#turn = done.catch(() => undefined);
    return await done;
  }
}
