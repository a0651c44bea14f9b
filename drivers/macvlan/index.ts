// The macvlan driver: each endpoint is a link with a MAC of its own on a link of the host, and so a machine of its own on
// the wire.

import type {
  CreateEndpointRequest,
  EndpointInterface,
  Host,
  Link,
  NetworkDriverFactory,
  Parent,
  Request,
} from "../../src/driverapi/index.ts";
import { type ChildKind, createChildDriver, gatewayFor } from "../../src/driverkit/index.ts";
import { derivedMac, formatAddress, type Mac, randomMac } from "../../src/netip/index.ts";
import { forbidden } from "../../src/util/errors.ts";
import { checkOptions, type MacvlanConfig, readMacvlanConfig } from "./options.ts";

/** Builds the driver `macvlan`. */
const createMacvlanDriver: NetworkDriverFactory = (host) => createChildDriver(host, macvlan);

export default createMacvlanDriver;

const macvlan: ChildKind<MacvlanConfig> = {
  name: "macvlan",
  kernelOption: "CONFIG_MACVLAN",
  checkOptions,
  readConfig: readMacvlanConfig,
  checkBeside,
  checkEndpoint: () => undefined,
  chooseMac,
  // the kernel gives such a link its parent's MAC; setting another one changes the parent's with it
  isMoved: ({ mode }, { options }) => mode === "passthru" && options.macAddress !== undefined,
  createLink: (host, { mode }, spec) => host.link.createMacvlan({ ...spec, mode }),
  repair,
  wayOut: (config, { address, addressIpv6 }: EndpointInterface) => {
    const gateway = gatewayFor(config.ipv4, address)?.address;
    const gatewayIpv6 = gatewayFor(config.ipv6, addressIpv6)?.address;
    return { staticRoutes: [], ...(gateway && { gateway }), ...(gatewayIpv6 && { gatewayIpv6 }) };
  },
  describe: ({ mode }) => ({ macvlan_mode: mode }),
  explainRefusal: ({ mode }) =>
    mode === "passthru" ? "in mode passthru a parent has one endpoint, and this one has it" : undefined,
};

/** A container that may change links may change this one's mode too, and so who it talks to. Passthru is for ever. */
function repair(host: Host, { mode }: MacvlanConfig, { index, macvlanMode }: Link): Request | undefined {
  const isFixed = mode === "passthru" || macvlanMode === "passthru";
  return macvlanMode === mode || isFixed ? undefined : host.link.setMacvlanMode(index, mode);
}

/** In mode passthru one network has the whole parent. The messages are Docker's. */
function checkBeside(config: MacvlanConfig, other: MacvlanConfig): void {
  if (config.mode === "passthru")
    throw forbidden(
      `cannot use mode passthru, macvlan network ${other.networkId} is already using parent interface ${config.parent}`,
    );
  if (other.mode === "passthru")
    throw forbidden(
      `macvlan network ${other.networkId} is already using parent interface ${config.parent} in mode passthru`,
    );
}

/** An address keeps its MAC from one container to the next, so that nobody on the wire has a stale neighbour. */
async function chooseMac(
  { mode, networkId }: MacvlanConfig,
  { interface: own }: CreateEndpointRequest,
  parent: () => Promise<Parent>,
): Promise<Mac | undefined> {
  if (mode === "passthru") return (await parent()).mac;
  const address = (own.address ?? own.addressIpv6)?.address;
  return address ? derivedMac(`${networkId} ${formatAddress(address)}`) : randomMac();
}
