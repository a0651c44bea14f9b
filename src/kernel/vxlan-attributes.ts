// What the kernel keeps of a VXLAN link besides what every link has. Creating one is in vxlan.ts.

import type { Address } from "../netip/index.ts";
import type { Attributes } from "./attributes.ts";
import { decodeAddress } from "./rtnetlink.ts";

/** Settings of a VXLAN link. */
export interface VxlanState {
  readonly vni: number;
  /** Source address of the tunnel's packets; undefined: the kernel chooses. */
  readonly local?: Address;
  /** UDP port that its packets go to, and that its socket listens on. */
  readonly port: number;
  /** Learns from received packets which MAC is behind which tunnel end. */
  readonly learning: boolean;
  /** Answers ARP and neighbour solicitations itself, from its neighbour entries, and sends none on. */
  readonly proxy: boolean;
  /** Its packets must not be taken apart on the way (IPv4). */
  readonly dontFragment: boolean;
}

/** IFLA_VXLAN_* (linux/if_link.h). */
export const iflaVxlan = { id: 1, local: 4, learning: 7, proxy: 11, port: 15, local6: 17, df: 29 } as const;

/** VXLAN_DF_SET. */
export const dfSet = 1;

/** Reads IFLA_INFO_DATA of a link of kind `vxlan`. */
export function decodeVxlan(data: Attributes): VxlanState {
  const local = decodeAddress(data.bytes(iflaVxlan.local) ?? data.bytes(iflaVxlan.local6));
  return {
    vni: data.u32(iflaVxlan.id) ?? 0,
    ...(local && local.value !== 0n && { local }),
    port: data.be16(iflaVxlan.port) ?? 0,
    learning: data.u8(iflaVxlan.learning) === 1,
    proxy: data.u8(iflaVxlan.proxy) === 1,
    dontFragment: data.u8(iflaVxlan.df) === dfSet,
  };
}
