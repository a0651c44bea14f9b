// A network in detail, for `network inspect -v`: what its driver finds on the host, and what is known of each endpoint.

import type { EndpointDescription, NetworkDescription } from "../driverapi/index.ts";
import type { Network, NetworkEndpoint } from "./network.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { EndpointDetails, NetworkDetails } from "./types.ts";

const nothing: NetworkDescription = { links: [], rules: [], endpoints: new Map() };

/** Read anew from the kernel at each call. */
export async function describeNetwork(sandboxes: Sandboxes, network: Network): Promise<NetworkDetails> {
  const isReal = !network.record.configOnly && !network.isMissing;
  const asked = isReal ? network.driver.describeNetwork?.({ networkId: network.id }) : undefined;
  const { links, rules, endpoints } = (await asked) ?? nothing;
  const paths = new Map(sandboxes.all().map(({ id, netnsPath }) => [id, netnsPath]));
  return {
    links,
    rules,
    endpoints: [...network.endpoints.values()].map((endpoint) =>
      endpointDetails(endpoint, {
        description: endpoints.get(endpoint.id),
        netnsPath: paths.get(endpoint.record.sandboxId),
      }),
    ),
  };
}

function endpointDetails(
  { id, record }: NetworkEndpoint,
  {
    description,
    netnsPath,
  }: { readonly description: EndpointDescription | undefined; readonly netnsPath: string | undefined },
): EndpointDetails {
  const { containerId, containerName, link, names, published } = record;
  return {
    endpointId: id,
    containerId,
    containerName,
    ...(netnsPath !== undefined && { netnsPath }),
    ...(link && { link: { name: link.name, index: link.index } }),
    ...(description?.port && { port: description.port }),
    dnsNames: names,
    published,
    rules: description?.rules ?? [],
  };
}
