// A container's endpoint on a network, on the wire: create, connect, and both inspects.

import { boolean, integer, list, map, object, type Static, string } from "./decode.ts";

const endpointIpamConfig = object("EndpointIPAMConfig", {
  IPv4Address: string,
  IPv6Address: string,
  LinkLocalIPs: list(string),
});

export const endpointSettings = object("EndpointSettings", {
  IPAMConfig: endpointIpamConfig,
  Links: list(string),
  Aliases: list(string),
  MacAddress: string,
  DriverOpts: map(string),
  GwPriority: integer,
  NetworkID: string,
  EndpointID: string,
});
/** As a client sends it. */
export type EndpointSettingsInput = Static<typeof endpointSettings>;

/** As we answer it. */
export interface EndpointSettings {
  readonly IPAMConfig: Static<typeof endpointIpamConfig> | null;
  readonly Links: readonly string[] | null;
  readonly Aliases: readonly string[] | null;
  readonly MacAddress: string;
  readonly DriverOpts: Readonly<Record<string, string>> | null;
  readonly GwPriority: number;
  readonly NetworkID: string;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  /** Since API 1.44. */
  readonly DNSNames?: readonly string[] | null;
}

export const connectRequest = object("ConnectRequest", {
  Container: string,
  EndpointConfig: endpointSettings,
});
export type ConnectRequest = Static<typeof connectRequest>;

export const disconnectRequest = object("DisconnectRequest", { Container: string, Force: boolean });
export type DisconnectRequest = Static<typeof disconnectRequest>;
