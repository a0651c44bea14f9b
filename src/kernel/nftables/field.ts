// What a rule can read of a packet and its connection. What it does with it is in expression.ts.

import type { Encoder } from "../codec.ts";

/** One instruction of a rule. */
export interface Expression {
  readonly name: string;
  encode(into: Encoder): void;
}

/** Something of a packet that can be read into registers. */
export interface Field {
  /** Bytes. */
  readonly size: number;
  load(register: number): Expression;
}

const meta = (key: number, size: number): Field => ({
  size,
  load: (register) => ({ name: "meta", encode: (into) => into.be32(1, register).be32(2, key) }),
});

const payload = (base: "link" | "network" | "transport", offset: number, size: number): Field => ({
  size,
  load: (register) => ({
    name: "payload",
    encode: (into) =>
      into
        .be32(1, register)
        .be32(2, ["link", "network", "transport"].indexOf(base))
        .be32(3, offset)
        .be32(4, size),
  }),
});

const conntrack = (key: number, size: number): Field => ({
  size,
  load: (register) => ({ name: "ct", encode: (into) => into.be32(1, register).be32(2, key) }),
});

/** By NFTA_FIB_F_SADDR or NFTA_FIB_F_DADDR; the result is NFT_FIB_RESULT_ADDRTYPE. */
function addressKind(flag: 1 | 2): Field {
  const load = (register: number): Expression => ({
    name: "fib",
    encode: (into) => into.be32(1, register).be32(2, 3).be32(3, flag),
  });
  return { size: 4, load };
}

/** Bytes of a frame at a place of its own; a VLAN tag that the link puts there counts. */
export function frameField(offset: number, size: number): Field {
  return payload("link", offset, size);
}

/** `iifname`, `ip saddr`, `ct state` and so on; `ip…` fields need the family checked before, `th…` the protocol. */
export const field = {
  /** EtherType, behind a VLAN tag if there is one: unlike `etherType`, a tag does not hide it. */
  frameProtocol: meta(1, 2),
  mark: meta(3, 4),
  /** Indexes of the links that the packet came by and leaves by, host byte order. */
  inIndex: meta(4, 4),
  outIndex: meta(5, 4),
  inLink: meta(6, 16),
  /**
   * Who opened the socket that sends the packet, host byte order; there is none for what the kernel makes itself (tunnels)
   * or forwards, and a rule that reads it does not match then (`nft_meta_get_eval_skugid` in net/netfilter/nft_meta.c).
   */
  socketUser: meta(10, 4),
  outLink: meta(7, 16),
  /** ARPHRD_* of the link that the packet leaves by, host byte order. */
  outLinkType: meta(9, 2),
  family: meta(15, 1),
  protocol: meta(16, 1),
  inBridge: meta(17, 16),
  outBridge: meta(18, 16),
  /** IFLA_GROUP of the links, host byte order. */
  inGroup: meta(21, 4),
  outGroup: meta(22, 4),
  /** What the link is made by ("veth"); there is none of hardware, and a rule that reads it does not match then. */
  inLinkKind: meta(26, 16),
  etherSource: payload("link", 6, 6),
  etherType: payload("link", 12, 2),
  /** Of Ethernet and IPv4 (RFC 826). */
  arpSourceMac: payload("network", 8, 6),
  arpSource: payload("network", 14, 4),
  ipSource: payload("network", 12, 4),
  ipTarget: payload("network", 16, 4),
  ip6Source: payload("network", 8, 16),
  ip6Target: payload("network", 24, 16),
  sourcePort: payload("transport", 0, 2),
  targetPort: payload("transport", 2, 2),
  /** FIN 1, SYN 2, RST 4, … (RFC 9293). */
  tcpFlags: payload("transport", 13, 1),
  icmpType: payload("transport", 0, 1),
  /** Of a VXLAN datagram (RFC 7348 5), behind the UDP header. */
  vni: payload("transport", 12, 3),
  /** 1 where the packet's route leads through IPsec: `rt ipsec exists` (NFT_RT_XFRM). */
  isSealed: {
    size: 1,
    load: (register) => ({ name: "rt", encode: (into) => into.be32(1, register).be32(2, 4) }),
  },
  /**
   * Request id of the IPsec association that the packet came by, the outermost, host byte order: `ipsec in reqid`. A rule
   * that reads it does not match what came by none (`nft_xfrm_get_eval_in` in net/netfilter/nft_xfrm.c).
   */
  arrivedRequestId: {
    size: 4,
    load: (register) => ({
      name: "xfrm",
      encode: (into) => into.be32(1, register).be32(2, 5).u8(3, 0).be32(4, 0),
    }),
  },
  /** Target of a neighbour solicitation or advertisement (RFC 4861). */
  ndTarget: payload("transport", 8, 16),
  ctState: conntrack(0, 4),
  ctStatus: conntrack(2, 4),
  /** Kind of the source and of the target address (RTN_*, host byte order): `fib saddr type`, `fib daddr type`. */
  sourceKind: addressKind(1),
  targetKind: addressKind(2),
} as const satisfies Record<string, Field>;

/**
 * A random number of 16 bits, drawn for each packet that comes to the rule (`numgen random mod 65536`). It is in host byte
 * order; where every value is as likely as any other that makes no difference, but for the half of the register that it
 * is in: the first on a little-endian machine.
 */
export const randomShare: Field = {
  size: 2,
  load: (register) => ({
    name: "numgen",
    encode: (into) => into.be32(1, register).be32(2, 65_536).be32(3, 1).be32(4, 0),
  }),
};

/** Bits of `ct state` (host byte order). */
export const ctState = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;
/** Bits of `ct status`. */
export const ctStatus = { sourceNat: 16, targetNat: 32 } as const;
/** RTN_LOCAL. */
export const localAddressKind = 2;

/** A number as the kernel holds it in a register: host byte order, 4 bytes. */
export function hostNumber(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
