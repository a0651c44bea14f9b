// The other end of the protocol: requests as they come from dockerd, or from us, in the contract's words.

import type {
  EndpointInterface,
  EndpointOptions,
  ExposedPort,
  NetworkOptions,
  PoolData,
  PortBinding,
  PublishedPort,
} from "../../driverapi/index.ts";
import {
  type Address,
  type Mac,
  macFromBytes,
  type Protocol,
  parsePrefix,
  protocolNumber,
} from "../../netip/index.ts";
import type { Fields } from "./fields.ts";
import { label } from "./request.ts";

const anyIpv4: Address = { family: 4, value: 0n };

/** Of CreateNetwork and GwAllocCheck; daemons before Docker 28 say nothing of IPv4. */
export function readNetworkOptions(options: Fields | undefined): NetworkOptions {
  return {
    enableIpv4: options?.has(label.ipv4) ? options.flag(label.ipv4) : true,
    enableIpv6: options?.flag(label.ipv6) ?? false,
    internal: options?.flag(label.internal) ?? false,
    generic: options?.object(label.generic)?.texts() ?? {},
  };
}

export function readPoolData(fields: Fields): PoolData {
  const pool = fields.prefix("Pool");
  if (!pool) throw fields.wrong("Pool", "an address with its length", "");
  const gateway = fields.prefix("Gateway");
  const aux = Object.entries(fields.object("AuxAddresses")?.texts() ?? {}).map(([name, text]) => {
    const prefix = parsePrefix(text);
    if (!prefix) throw fields.wrong(`AuxAddresses.${name}`, "an address with its length", text);
    return [name, prefix] as const;
  });
  return {
    addressSpace: fields.text("AddressSpace"),
    pool,
    ...(gateway && { gateway }),
    auxAddresses: Object.fromEntries(aux),
  };
}

export function readInterface(fields: Fields | undefined): EndpointInterface {
  const address = fields?.prefix("Address");
  const addressIpv6 = fields?.prefix("AddressIPv6");
  const macAddress = fields?.mac("MacAddress");
  return {
    ...(address && { address }),
    ...(addressIpv6 && { addressIpv6 }),
    ...(macAddress && { macAddress }),
  };
}

/** Keys that are none of Docker's are the user's driver options. */
export function readEndpointOptions(options: Fields | undefined): EndpointOptions {
  const own: readonly string[] = [label.exposedPorts, label.portMap, label.mac, label.dnsServers];
  const driverOpts = Object.entries(options?.texts() ?? {}).filter(([key]) => !own.includes(key));
  const macAddress = options && readMac(options);
  return {
    ...readPorts(options),
    dnsServers: options?.addresses(label.dnsServers) ?? [],
    ...(macAddress && { macAddress }),
    driverOpts: Object.fromEntries(driverOpts),
  };
}

/** Of CreateEndpoint, Join and ProgramExternalConnectivity. */
export function readPorts(
  options: Fields | undefined,
): Pick<EndpointOptions, "exposedPorts" | "portBindings"> {
  return {
    exposedPorts: options?.objects(label.exposedPorts).map(readExposed) ?? [],
    portBindings: options?.objects(label.portMap).map(readBinding) ?? [],
  };
}

/** Of EndpointOperInfo; what has no host port is not published. */
export function readPublished(info: Fields | undefined): PublishedPort[] {
  return readPorts(info).portBindings.flatMap(({ protocol, containerPort, hostAddress, hostPorts }) =>
    hostPorts
      ? [{ protocol, containerPort, hostAddress: hostAddress ?? anyIpv4, hostPort: hostPorts.first }]
      : [],
  );
}

export function saysIpv6IsElsewhere(options: Fields | undefined): boolean {
  return options?.flag(label.noIpv6Proxy) ?? false;
}

function readExposed(fields: Fields): ExposedPort {
  return { protocol: readProtocol(fields), port: fields.number("Port") };
}

function readBinding(fields: Fields): PortBinding {
  const hostAddress = fields.address("HostIP");
  const first = fields.number("HostPort");
  const last = fields.number("HostPortEnd") || first;
  return {
    protocol: readProtocol(fields),
    containerPort: fields.number("Port"),
    ...(hostAddress && { hostAddress }),
    ...(first > 0 && { hostPorts: { first, last } }),
  };
}

/** An IANA number. */
function readProtocol(fields: Fields): Protocol {
  const number = fields.number("Proto");
  const [name] = Object.entries(protocolNumber).find(([, own]) => own === number) ?? [];
  if (!name) throw fields.wrong("Proto", "6 (tcp), 17 (udp) or 132 (sctp)", number);
  return name as Protocol;
}

/** A Go byte slice in JSON: base64. */
function readMac(options: Fields): Mac | undefined {
  const text = options.text(label.mac);
  if (text === "") return undefined;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== 6) throw options.wrong(label.mac, "six bytes in base64", text);
  return macFromBytes(bytes);
}
