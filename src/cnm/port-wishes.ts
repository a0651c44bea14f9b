// Which ports a driver is asked to publish: the container's bindings, with `-P` what is exposed and has none. A driver
// that is asked again for what it has keeps it, so a wish is told in the same words as before.

import type { ExposedPort, PortBinding, PublishedPort } from "../driverapi/index.ts";
import { isUnspecified, portsWithout, sameAddress } from "../netip/index.ts";
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
  const wishes = wishesOf(spec);
  // where every wish names its port nothing was chosen
  const chosen = new Chosen(wishes.every(isFixed) ? [] : before);
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
    a.count === b.count &&
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
  return [...portBindings, ...unboundPorts(exposedPorts, portBindings)];
}

/** Exposed ports that no binding is about, one by one. */
function unboundPorts(exposed: readonly ExposedPort[], bindings: readonly PortBinding[]): PortBinding[] {
  const boundOf = Map.groupBy(bindings, ({ protocol }) => protocol);
  return exposed.flatMap(({ protocol, port, count = 1 }) => {
    const bound = (boundOf.get(protocol) ?? []).map((binding) => ({
      first: binding.containerPort,
      last: binding.containerPort + (binding.count ?? 1) - 1,
    }));
    return portsWithout([{ first: port, last: port + count - 1 }], bound).flatMap(({ first, last }) =>
      Array.from({ length: last - first + 1 }, (_, at) => ({ protocol, containerPort: first + at })),
    );
  });
}

/** Ports that were chosen before, each of which one wish may have again. */
class Chosen {
  readonly #left: Map<string, PublishedPort[]>;

  constructor(before: readonly PublishedPort[]) {
    this.#left = Map.groupBy(before.filter(({ hostPort }) => hostPort !== 0).flatMap(singly), keyOf);
  }

  /** Those of a wish that names its port are nobody else's. */
  takeFixed(wish: PortBinding): void {
    const { hostPorts, count = 1 } = wish;
    if (!isFixed(wish) || !hostPorts) return;
    for (let at = 0; at < count; at++) {
      const key = keyOf({ ...wish, containerPort: wish.containerPort + at });
      const left = this.#left.get(key);
      if (left)
        this.#left.set(
          key,
          left.filter((port) => !(isAt(port, wish) && port.hostPort === hostPorts.first + at)),
        );
    }
  }

  apply(wish: PortBinding): PortBinding {
    const { hostPorts } = wish;
    if (isFixed(wish)) return wish;
    const key = keyOf(wish);
    const left = this.#left.get(key) ?? [];
    const own = left.find((port) => isAt(port, wish) && isIn(port, hostPorts));
    if (!own) return wish;
    // both families of a wish have one port
    this.#left.set(
      key,
      left.filter(({ hostPort }) => hostPort !== own.hostPort),
    );
    return { ...wish, hostPorts: { first: own.hostPort, last: own.hostPort } };
  }
}

/** Whether the wish says which host ports. */
function isFixed({ hostPorts, count = 1 }: PortBinding): boolean {
  return hostPorts !== undefined && hostPorts.last - hostPorts.first + 1 === count;
}

function singly({ count = 1, ...port }: PublishedPort): PublishedPort[] {
  return Array.from({ length: count }, (_, at) => ({
    ...port,
    containerPort: port.containerPort + at,
    hostPort: port.hostPort + at,
  }));
}

function keyOf({ protocol, containerPort }: Pick<PortBinding, "protocol" | "containerPort">): string {
  return `${containerPort}/${protocol}`;
}

function isAt(port: PublishedPort, { hostAddress }: PortBinding): boolean {
  // a wish without an address was published on the network's default one, which is rarely another than all
  return hostAddress ? sameAddress(port.hostAddress, hostAddress) : isUnspecified(port.hostAddress);
}

function isIn({ hostPort }: PublishedPort, range: PortBinding["hostPorts"]): boolean {
  return !range || (hostPort >= range.first && hostPort <= range.last);
}
