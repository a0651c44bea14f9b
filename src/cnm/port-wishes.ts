// Which ports a driver is asked to publish: the container's bindings, with `-P` what is exposed and has none. A driver
// that is asked again for what it has keeps it, so a wish is told in the same words as before.

import type { PortBinding, PublishedPort } from "../driverapi/index.ts";
import { isUnspecified, sameAddress } from "../netip/index.ts";
import type { SandboxSpec } from "./types.ts";

/** A wish, and the words in which the driver was told of it: the same, or with the port that was chosen before. */
export interface Asked {
  readonly wish: PortBinding;
  readonly told: PortBinding;
}

/**
 * What to ask for now. `asked` is what the driver was told last; `before` is what was published so far, from which a
 * wish that names no port takes its own again.
 */
export function askFor(
  spec: Pick<SandboxSpec, "portBindings" | "exposedPorts" | "publishAll">,
  { asked, before }: { readonly asked: readonly Asked[]; readonly before: readonly PublishedPort[] },
): Asked[] {
  const known = [...asked];
  const chosen = new Chosen(before);
  const wishes = wishesOf(spec);
  for (const wish of wishes) chosen.takeFixed(wish);
  return wishes.map((wish) => {
    const at = known.findIndex((earlier) => isSameBinding(earlier.wish, wish));
    const [same] = at < 0 ? [] : known.splice(at, 1);
    return same ?? { wish, told: chosen.apply(wish) };
  });
}

/** Whether two bindings ask for the same. */
export function isSameBinding(a: PortBinding, b: PortBinding): boolean {
  return (
    a.protocol === b.protocol &&
    a.containerPort === b.containerPort &&
    sameAddress(a.hostAddress, b.hostAddress) &&
    a.hostPorts?.first === b.hostPorts?.first &&
    a.hostPorts?.last === b.hostPorts?.last
  );
}

function wishesOf({
  portBindings,
  exposedPorts,
  publishAll,
}: Parameters<typeof askFor>[0]): readonly PortBinding[] {
  if (!publishAll) return portBindings;
  const isBound = new Set(portBindings.map(({ protocol, containerPort }) => `${containerPort}/${protocol}`));
  const unbound = exposedPorts.filter(({ protocol, port }) => !isBound.has(`${port}/${protocol}`));
  return [...portBindings, ...unbound.map(({ protocol, port }) => ({ protocol, containerPort: port }))];
}

/** Ports that were chosen before, each of which one wish may have again. */
class Chosen {
  #left: readonly PublishedPort[];

  constructor(before: readonly PublishedPort[]) {
    this.#left = before.filter(({ hostPort }) => hostPort !== 0);
  }

  /** Those of a wish that names its port are nobody else's. */
  takeFixed(wish: PortBinding): void {
    const { hostPorts } = wish;
    if (!hostPorts || hostPorts.first !== hostPorts.last) return;
    this.#left = this.#left.filter(
      (port) => !(isOf(port, wish) && isAt(port, wish) && port.hostPort === hostPorts.first),
    );
  }

  apply(wish: PortBinding): PortBinding {
    const { hostPorts } = wish;
    if (this.#left.length === 0 || (hostPorts && hostPorts.first === hostPorts.last)) return wish;
    const own = this.#left.find((port) => isOf(port, wish) && isAt(port, wish) && isIn(port, hostPorts));
    if (!own) return wish;
    // both families of a wish have one port
    this.#left = this.#left.filter((port) => !(isOf(port, wish) && port.hostPort === own.hostPort));
    return { ...wish, hostPorts: { first: own.hostPort, last: own.hostPort } };
  }
}

function isOf(port: PublishedPort, wish: PortBinding): boolean {
  return port.protocol === wish.protocol && port.containerPort === wish.containerPort;
}

function isAt(port: PublishedPort, { hostAddress }: PortBinding): boolean {
  // a wish without an address was published on the network's default one, which is rarely another than all
  return hostAddress ? sameAddress(port.hostAddress, hostAddress) : isUnspecified(port.hostAddress);
}

function isIn({ hostPort }: PublishedPort, range: PortBinding["hostPorts"]): boolean {
  return !range || (hostPort >= range.first && hostPort <= range.last);
}
