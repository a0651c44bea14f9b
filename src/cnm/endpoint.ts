// An endpoint: a container's place on a network. Its identity is its id; its names are labels.

import type { Family } from "../netip/index.ts";
import { type ExternalRole, noRole } from "./external-role.ts";
import type { GatewayCandidate } from "./gateway.ts";
import type { Network, NetworkEndpoint } from "./network.ts";
import type { Asked } from "./port-wishes.ts";
import type { EndpointRecord } from "./records.ts";
import type { EndpointView, NetworkMember } from "./types.ts";

/** Kept by its sandbox and listed by its network. */
export class Endpoint implements GatewayCandidate, NetworkEndpoint {
  readonly network: Network;
  /** A value: replaced, never changed. */
  record: EndpointRecord;
  /** What it is to its sandbox's ports, as its driver was last told. */
  externalFor: ExternalRole = noRole;
  /** Since an earlier life its driver, which keeps what it was told, has all that it was asked for. */
  isKeptByDriver = false;
  /** The ports that its driver was last asked for. */
  asked: readonly Asked[] = [];

  constructor(network: Network, record: EndpointRecord) {
    this.network = network;
    this.record = record;
  }

  get id(): string {
    return this.record.id;
  }

  get priority(): number {
    return this.record.spec.gatewayPriority;
  }

  get internal(): boolean {
    return this.network.record.internal;
  }

  get networkName(): string {
    return this.network.name;
  }

  get hasGateway(): { readonly [F in Family]: boolean } {
    const { gatewayIpv4, gatewayIpv6, defaultViaLink = [] } = this.record;
    return {
      4: gatewayIpv4 !== undefined || defaultViaLink.includes(4),
      6: gatewayIpv6 !== undefined || defaultViaLink.includes(6),
    };
  }

  /** Its container was not connected to it by anybody. */
  get isHidden(): boolean {
    return this.record.isHidden === true;
  }

  /** Whether it leads out of its network, be it without a gateway that is known here. */
  get isExternal(): boolean {
    const { 4: ipv4, 6: ipv6 } = this.hasGateway;
    return ipv4 || ipv6 || this.record.isExternal === true;
  }

  get addresses() {
    const { address, addressIpv6 } = this.record.interface;
    return [address, addressIpv6].filter((prefix) => prefix !== undefined).map((prefix) => prefix.address);
  }

  /** What clients are shown of it. */
  view(): EndpointView {
    const { record, network } = this;
    const { address, addressIpv6, macAddress } = record.interface;
    return {
      endpointId: record.id,
      networkId: network.id,
      networkName: network.name,
      ...(record.link && { interfaceName: record.link.name }),
      ...(macAddress && { mac: macAddress }),
      ...(address && { ipv4: address }),
      ...(addressIpv6 && { ipv6: addressIpv6 }),
      ...(record.gatewayIpv4 && { gatewayIpv4: record.gatewayIpv4 }),
      ...(record.gatewayIpv6 && { gatewayIpv6: record.gatewayIpv6 }),
      dnsNames: record.names,
      published: record.published,
    };
  }

  /** As its network lists it. */
  member(): NetworkMember {
    const {
      containerId,
      containerName,
      interface: { address, addressIpv6, macAddress },
    } = this.record;
    return {
      containerId,
      endpointId: this.id,
      name: containerName,
      ...(macAddress && { mac: macAddress }),
      ...(address && { ipv4: address }),
      ...(addressIpv6 && { ipv6: addressIpv6 }),
    };
  }
}
