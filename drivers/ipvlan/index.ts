// The ipvlan driver: each endpoint is a link with addresses of its own, and its parent's MAC, on a link of the host.

import type {
  CreateEndpointRequest,
  EndpointInterface,
  NetworkDriverFactory,
  StaticRoute,
} from "../../src/driverapi/index.ts";
import { type ChildKind, createChildDriver, gatewayFor } from "../../src/driverkit/index.ts";
import { type Family, parsePrefix } from "../../src/netip/index.ts";
import { forbidden, invalid } from "../../src/util/errors.ts";
import { checkOptions, type IpvlanConfig, readIpvlanConfig } from "./options.ts";

/** Builds the driver `ipvlan`. */
const createIpvlanDriver: NetworkDriverFactory = (host) => createChildDriver(host, ipvlan);

export default createIpvlanDriver;

const ipvlan: ChildKind<IpvlanConfig> = {
  name: "ipvlan",
  kernelOption: "CONFIG_IPVLAN",
  checkOptions,
  readConfig: readIpvlanConfig,
  // the kernel keeps one mode per parent, and Docker one network
  checkBeside: ({ parent }, other) => {
    throw forbidden(`network ${other.networkId} is already using parent interface ${parent}`);
  },
  checkEndpoint,
  chooseMac: async () => undefined,
  isMoved: () => false,
  createLink: (host, { mode, flag }, { mac: _shared, ...spec }) =>
    host.link.createIpvlan({ ...spec, mode, flag }),
  // the parent has it, for all its links, and each that is made sets it again
  repair: () => undefined,
  wayOut,
  describe: ({ mode, flag }) => ({ ipvlan_mode: mode, ipvlan_flag: flag }),
  explainRefusal: () => undefined,
};

/** The message is Docker's. */
function checkEndpoint(_config: IpvlanConfig, { interface: own, options }: CreateEndpointRequest): void {
  if (own.macAddress ?? options.macAddress)
    throw invalid("ipvlan interfaces do not support custom mac address assignment");
}

/** In layer 2 by the gateway that the user named; in layer 3 the parent's host routes, so everything goes by the link. */
function wayOut(config: IpvlanConfig, { address, addressIpv6 }: EndpointInterface) {
  if (config.mode !== "l2")
    return {
      staticRoutes: [...(address ? defaultRoute(4) : []), ...(addressIpv6 ? defaultRoute(6) : [])],
    };
  const gateway = gatewayFor(config.ipv4, address)?.address;
  const gatewayIpv6 = gatewayFor(config.ipv6, addressIpv6)?.address;
  return { staticRoutes: [], ...(gateway && { gateway }), ...(gatewayIpv6 && { gatewayIpv6 }) };
}

function defaultRoute(family: Family): StaticRoute[] {
  const destination = parsePrefix(family === 4 ? "0.0.0.0/0" : "::/0");
  return destination ? [{ destination }] : [];
}
