// Legacy links: on a network that keeps its containers apart (ICC off) one of them may open flows to another's ports.

import type { AllowRule, ExposedPort, LinkedEndpoint } from "../../src/driverapi/index.ts";
import type { Address } from "../../src/netip/index.ts";

/** Whose rules an endpoint's links are: they come and go without its ports. */
export function linksOwner(endpointId: string): string {
  return `links ${endpointId}`;
}

/** What the firewall lets through for an endpoint with these addresses. */
export function linkRules(
  bridge: string,
  from: readonly Address[],
  links: readonly (Pick<LinkedEndpoint, "ports"> & { readonly addresses: readonly Address[] })[],
): AllowRule[] {
  const rules = links.flatMap(({ ports, addresses }) =>
    ports.flatMap((port) =>
      addresses.flatMap((target) => {
        const source = from.find(({ family }) => family === target.family);
        return source ? [linkRule(bridge, { source, target, port })] : [];
      }),
    ),
  );
  // two links may lead to one container
  return [...new Map(rules.map((rule) => [JSON.stringify(rule, textOfBigInt), rule])).values()];
}

function linkRule(
  link: string,
  {
    source,
    target,
    port,
  }: { readonly source: Address; readonly target: Address; readonly port: ExposedPort },
): AllowRule {
  const { protocol, port: first, count = 1 } = port;
  return {
    kind: "allow",
    link,
    from: source,
    target,
    protocol,
    targetPorts: { first, last: first + count - 1 },
  };
}

function textOfBigInt(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString(16) : value;
}
