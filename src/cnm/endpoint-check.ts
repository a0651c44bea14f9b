// Checks what the user says of an endpoint before anything is made. The messages are Docker's.

import { type Address, formatAddress, prefixContains } from "../netip/index.ts";
import { conflict, forbidden, invalid } from "../util/errors.ts";
import { checkEndpointWords, chosenInterfaceName } from "./endpoint-options.ts";
import { isGlobal } from "./global/index.ts";
import { driversOwn, serviceOption } from "./names.ts";
import type { Network } from "./network.ts";
import type { EndpointSpec, SandboxSpec } from "./types.ts";

/** @throws invalid or forbidden when an endpoint like this cannot be on the network */
export function checkEndpoint(network: Network, spec: EndpointSpec): void {
  if (network.record.configOnly)
    throw forbidden(`cannot connect to network ${network.name}: it is a configuration-only network`);
  checkEndpointWords(spec);
  const service = spec.driverOptions[serviceOption];
  if (service !== undefined) checkService(network, service);
  network.driver.checkEndpoint?.({ driverOpts: driversOwn(spec) });
  const addresses = [spec.ipv4, spec.ipv6].filter((address) => address !== undefined);
  if (!network.isUserDefined) {
    if (addresses.length > 0)
      throw invalid("user-specified IP address is supported on user-defined networks only");
    if (spec.aliases.length > 0)
      throw invalid("network-scoped aliases are only supported for user-defined networks");
  }
  const strays = addresses.filter((address) => !isOnNetwork(network, address));
  if (strays.length > 0) {
    throw invalid(
      strays
        .map((address) => `no configured subnet contains IP address ${formatAddress(address)}`)
        .join("\n"),
    );
  }
}

/** Services are no driver's: any network of the cluster has them. A name is a label of the DNS (RFC 1123 2.1). */
function checkService(network: Network, service: string): void {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(service))
    throw invalid(`invalid value for ${serviceOption}: ${JSON.stringify(service)} is not a label of the DNS`);
  if (!isGlobal(network))
    throw invalid(
      `${serviceOption}: network ${network.name} is this host's alone, and services are a cluster's`,
    );
  if (network.record.pools.length === 0)
    throw invalid(
      `${serviceOption}: network ${network.name} has no subnet that a service could have an address of`,
    );
}

/** @throws invalid or forbidden when a sandbox that is on these networks cannot be on that one too */
export function checkMixture(
  network: Network,
  { sandbox, others }: { readonly sandbox: SandboxSpec; readonly others: readonly Network[] },
): void {
  if (others.includes(network))
    throw forbidden(`endpoint with name ${sandbox.containerName} already exists in network ${network.name}`);
  const isHost = network.driver.name === "host";
  if (sandbox.netns === "host" && !isHost)
    throw invalid(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  if (sandbox.netns !== "host" && isHost)
    throw invalid(
      "cannot connect container to host network - container must be created in host network mode",
    );
  const isNone = ({ driver }: Network) => driver.name === "null";
  if (others.length > 0 && (isNone(network) || others.some(isNone)))
    throw invalid(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
}

/** @throws conflict when another interface of the sandbox has, or will have, the name that was chosen for this one */
export function checkInterfaceFree(spec: EndpointSpec, taken: ReadonlySet<string | undefined>): void {
  const name = chosenInterfaceName(spec);
  if (name !== undefined && taken.has(name))
    throw conflict(`interface ${name} is there already: the container has another network on it`);
}

function isOnNetwork(network: Network, address: Address): boolean {
  return network.record.pools.some(({ subnet }) => prefixContains(subnet, address));
}
