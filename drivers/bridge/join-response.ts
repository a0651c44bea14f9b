// What the controller is told of a link that has joined: name, gateways, sysctls.

import type { EndpointOptions, JoinResponse } from "../../src/driverapi/index.ts";
import { chosenSysctls } from "./endpoint-link.ts";
import { type BridgeConfig, gatewayOf } from "./options.ts";

/** `name` is the final one; undefined where the controller chooses. An internal network has no gateway. */
export function joinResponse({
  indexInSandbox,
  config,
  driverOpts,
  srcName,
  name,
}: {
  readonly indexInSandbox: number;
  readonly config: BridgeConfig;
  readonly driverOpts: EndpointOptions["driverOpts"];
  readonly srcName: string;
  readonly name: string | undefined;
}): JoinResponse {
  const gateway = config.internal ? undefined : gatewayOf(config.ipv4, "DefaultGatewayIPv4");
  const gatewayIpv6 = config.internal ? undefined : gatewayOf(config.ipv6, "DefaultGatewayIPv6");
  return {
    link: {
      srcName,
      dstPrefix: config.interfacePrefix,
      ...(name !== undefined && { dstName: name }),
      indexInSandbox,
    },
    ...(gateway && { gateway: gateway.address }),
    ...(gatewayIpv6 && { gatewayIpv6: gatewayIpv6.address }),
    staticRoutes: [],
    disableGatewayService: false,
    sysctls: chosenSysctls(driverOpts),
  };
}
