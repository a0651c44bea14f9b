// Creating bridges.

import { type Mac, macBytes } from "../netip/index.ts";
import { Encoder } from "./codec.ts";
import { aliasOf, ifla, iflaInfo, linkHeader } from "./link.ts";
import type { Request } from "./request.ts";
import { createFlags, rtm, say } from "./rtnetlink.ts";

/** A bridge to create. */
export interface BridgeSpec {
  readonly name: string;
  /** Chosen, so that more can be asked of it without asking for it; fails with EEXIST or EBUSY when taken. */
  readonly index?: number;
  /** Random when absent, and then it may change with the ports. */
  readonly mac?: Mac;
  readonly mtu?: number;
  /** At most 255 bytes. */
  readonly alias?: string;
  readonly group?: number;
  readonly up?: boolean;
  readonly multicastSnooping?: boolean;
  readonly vlanFiltering?: boolean;
  /** Seconds after which a learnt address is forgotten. */
  readonly ageingTimeSeconds?: number;
}

/** IFLA_BR_* */
const ifbr = { ageingTime: 4, vlanFiltering: 7, multicastSnooping: 23 } as const;

/** `ip link add … type bridge`. Fails with EEXIST when the name is taken. */
export function createBridge(spec: BridgeSpec): Request {
  const encoder = new Encoder().struct(linkHeader(spec.index, spec.up)).string(ifla.name, spec.name);
  if (spec.mac !== undefined) encoder.bytes(ifla.address, macBytes(spec.mac));
  if (spec.mtu !== undefined) encoder.u32(ifla.mtu, spec.mtu);
  if (spec.group !== undefined) encoder.u32(ifla.group, spec.group);
  encoder.nest(ifla.linkInfo, (info) =>
    info.string(iflaInfo.kind, "bridge").nest(iflaInfo.data, (data) => encodeOptions(data, spec)),
  );
  return {
    type: rtm.newLink,
    flags: createFlags,
    payload: encoder.finish(),
    words: words(spec),
    ...aliasOf(spec.name, spec.alias),
  };
}

function encodeOptions(data: Encoder, spec: BridgeSpec): void {
  // the kernel counts in hundredths of a second (USER_HZ)
  if (spec.ageingTimeSeconds !== undefined) data.u32(ifbr.ageingTime, spec.ageingTimeSeconds * 100);
  if (spec.vlanFiltering !== undefined) data.u8(ifbr.vlanFiltering, spec.vlanFiltering ? 1 : 0);
  if (spec.multicastSnooping !== undefined) data.u8(ifbr.multicastSnooping, spec.multicastSnooping ? 1 : 0);
}

function words(spec: BridgeSpec): string {
  return say(
    `ip link add ${spec.name}`,
    spec.index !== undefined && `index ${spec.index}`,
    spec.mac !== undefined && `address ${spec.mac}`,
    spec.mtu !== undefined && `mtu ${spec.mtu}`,
    spec.group !== undefined && `group ${spec.group}`,
    spec.up !== undefined && (spec.up ? "up" : "down"),
    "type bridge",
    spec.ageingTimeSeconds !== undefined && `ageing_time ${spec.ageingTimeSeconds * 100}`,
    spec.vlanFiltering !== undefined && `vlan_filtering ${spec.vlanFiltering ? 1 : 0}`,
    spec.multicastSnooping !== undefined && `mcast_snooping ${spec.multicastSnooping ? 1 : 0}`,
  );
}
