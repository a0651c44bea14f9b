// How our links are told from others: by an alias; and what they are called.

const mark = "tsdocker:";

/** Names the endpoint on the port of its link. */
export function markOf(id: string): string {
  return mark + id;
}

/** The id that a link is marked with, if it is ours. */
export function markedId(alias: string | undefined): string | undefined {
  return alias?.startsWith(mark) ? alias.slice(mark.length) : undefined;
}

/** The bridge in a network's netns. */
export const bridgeName = "br0";

/** The tunnel of a VNI there. */
export function tunnelName(vni: number): string {
  return `vx${vni}`;
}

/** The bridge's end of an endpoint's link; 15 characters are all that Linux has for a name. */
export function portName(endpointId: string): string {
  return `veth${endpointId.slice(0, 11)}`;
}

/** Far above what the kernel, which counts, has got to; the endpoint's own all the same. */
export function portIndex(endpointId: string): number {
  return 0x1000_0000 + Number.parseInt(endpointId.slice(0, 7), 16);
}

/** The bridge's; those of the tunnels follow it. Above what ports have. */
export function bridgeIndex(networkId: string): number {
  return 0x2000_0000 + Number.parseInt(networkId.slice(0, 7), 16);
}

/** The netns of a network, among the driver's. */
export function netnsName(networkId: string): string {
  return networkId.slice(0, 12);
}

/** Whose rule an endpoint's guard is. */
export function guardOwner(endpointId: string): string {
  return `guard ${endpointId}`;
}
