// Which of a sandbox's endpoints is its way out, per family.

import type { Family } from "../netip/index.ts";

export interface GatewayCandidate {
  readonly priority: number;
  readonly internal: boolean;
  readonly networkName: string;
  /** Whether it has a gateway for the family, by family. */
  readonly hasGateway: { readonly [F in Family]: boolean };
}

/**
 * The order in which endpoints are asked for a gateway, which is also the order in which their networks' names win:
 * higher priority first, then networks with a way out, then those with gateways for more families, then by name.
 */
export function byGatewayOrder(a: GatewayCandidate, b: GatewayCandidate): number {
  return (
    b.priority - a.priority ||
    Number(a.internal) - Number(b.internal) ||
    familyCount(b) - familyCount(a) ||
    compareText(a.networkName, b.networkName)
  );
}

/** The endpoints through which each family leaves; the two may differ. */
export function chooseGateways<T extends GatewayCandidate>(
  candidates: readonly T[],
): { readonly [F in Family]: T | undefined } {
  const ordered = candidates.toSorted(byGatewayOrder);
  const first = (family: Family) => ordered.find(({ hasGateway }) => hasGateway[family]);
  return { 4: first(4), 6: first(6) };
}

function familyCount({ hasGateway }: GatewayCandidate): number {
  return Number(hasGateway[4]) + Number(hasGateway[6]);
}

/** By code point, so that the order does not depend on the host's language. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
