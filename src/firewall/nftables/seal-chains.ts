// Encrypted networks: what their tunnels send is marked, so that XFRM policies see it, and dropped where nothing sealed it;
// what arrives for them has come out of a seal of ours, or is dropped. The VNI is read from the datagram (RFC 7348 5).

import {
  changeMark,
  differs,
  equals,
  field,
  hostNumber,
  inSet,
  type SetSpec,
  type Statement,
  verdict,
} from "../../kernel/nftables/index.ts";
import { type ChainWithRules, rule } from "./matches.ts";

/** What packets that are to be sealed are marked with; the other bits are left alone. */
export const sealMark = { value: 0x74_73_65, mask: 0xff_ff_ff } as const;

export const sealSet: SetSpec = { name: "sealed", key: ["vni"] };

/** A tunnel's datagram, of an encrypted network. */
function isSealed(isTunnel: Statement): Statement {
  return [...isTunnel, ...inSet([field.vni], sealSet.name)];
}

/** Where datagrams for this host are looked at before all else. */
export function unsealing(isTunnel: Statement): readonly ReturnType<typeof rule>[] {
  return [rule("of an encrypted network", isSealed(isTunnel), verdict({ jump: "unseal" }))];
}

/** Chains of their own. `isOurs`: a tunnel's datagram that has this host's address, of each family. */
export function sealChains(
  isTunnel: Statement,
  isOurs: readonly Statement[],
  requestId: number,
): readonly ChainWithRules[] {
  return [
    {
      name: "unseal",
      rules: [
        // matches nothing in what came in clear
        rule("out of our seal", equals(field.arrivedRequestId, hostNumber(requestId)), verdict("return")),
        rule("in clear", verdict("drop")),
      ],
    },
    {
      name: "seal",
      // of this type a changed mark makes the kernel ask for the route again, and XFRM with it
      hook: { type: "route", at: "output", priority: -150 },
      rules: [
        rule(
          "of an encrypted network",
          isSealed(isTunnel),
          changeMark({ set: sealMark.value, clear: sealMark.mask & ~sealMark.value }),
        ),
      ],
    },
    {
      name: "sealed-only",
      // behind all that may change a route
      hook: { type: "filter", at: "postrouting", priority: 310 },
      rules: isOurs.map((own) =>
        rule("in clear", isSealed(own), differs(field.isSealed, Uint8Array.of(1)), verdict("drop")),
      ),
    },
  ];
}
