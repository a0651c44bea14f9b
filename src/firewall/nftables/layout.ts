// The constant part of the nftables back end: tables, maps and sets, chains and rules. What users and drivers add are
// elements, so the cost of a packet and of a change does not grow with networks, containers or ports.
//
// A packet through the host:  guard (raw) > enter (dnat) > forward > leave (snat);  from the host: depart (dnat) > leave;
// to the host:  guard > input.
// Foreign traffic meets two map look-ups in `forward` and none of its packets is touched.

import type { Request } from "../../kernel/index.ts";
import {
  addChain,
  addRule,
  addSet,
  addTable,
  type SetSpec,
  type Table,
} from "../../kernel/nftables/index.ts";
import type { AcceptMark } from "../rules.ts";
import { bridging, type FrameScope } from "./bridge-chains.ts";
import { forwarding } from "./forwarding.ts";
import { hostAccess } from "./host-access.ts";
import type { ChainWithRules } from "./matches.ts";
import { bridgeSets, bridgeTable, mainSets, mainTable } from "./sets.ts";
import { departing, translation } from "./translation.ts";

/** What the chains depend on. */
export interface LayoutOptions {
  /** Translate what the host sends to a port published on 127.0.0.1. */
  readonly loopbackNat: boolean;
  readonly acceptMark?: AcceptMark | undefined;
}

/** Chains of the main table. */
export function mainChains({ loopbackNat, acceptMark }: LayoutOptions): readonly ChainWithRules[] {
  return [...forwarding(acceptMark), ...hostAccess, ...translation, departing(loopbackNat)];
}

/** Requests that make the main table's constant part; it must be empty. */
export function mainLayout(options: LayoutOptions): Request[] {
  return layout(mainTable, mainSets, mainChains(options));
}

/** Requests that make the bridge table's constant part; it must be empty. */
export function bridgeLayout(scope: FrameScope = "all"): Request[] {
  return layout(bridgeTable, bridgeSets, bridging(scope));
}

/** Requests that make a table, which come first, and then what is in it. */
export function layout(table: Table, sets: readonly SetSpec[], chains: readonly ChainWithRules[]): Request[] {
  return [
    addTable(table),
    ...chains.map((chain) => addChain(table, chain)),
    ...sets.map((set, at) => addSet(table, set, at + 1)),
    ...chains.flatMap(({ name, rules }) =>
      rules.map(({ statements, comment }) => addRule(table, name, statements, comment)),
    ),
  ];
}
