// The constant part of the nftables back end: tables, maps and sets, chains and rules. What users and drivers add are
// elements, so the cost of a packet and of a change does not grow with networks, containers or ports.
//
// What is hooked into the kernel costs all of the host's packets; what only few networks ask for is hooked with the first.
//
// A packet through the host:  guard (raw) > enter (dnat) > forward > leave (snat);  from the host: depart (dnat) > leave;
// to the host:  guard > input, where a network is kept from the host.
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
import { hostAccess, hostInput } from "./host-access.ts";
import type { ChainWithRules } from "./matches.ts";
import { bridgeSets, bridgeTable, mainSets, mainTable } from "./sets.ts";
import { departing, translation } from "./translation.ts";

/** What there is only where it is asked for. */
export interface OnDemand {
  /** A bridge is kept from the host, or from some of its ports. */
  readonly hostInput: boolean;
}

/** What the chains depend on. */
export interface LayoutOptions {
  /** Translate what the host sends to a port published on 127.0.0.1. */
  readonly loopbackNat: boolean;
  readonly acceptMark?: AcceptMark | undefined;
}

/** Chains of the main table. */
export function mainChains(options: LayoutOptions, onDemand: OnDemand): readonly ChainWithRules[] {
  const { loopbackNat, acceptMark } = options;
  return [
    ...forwarding(acceptMark),
    ...hostAccess,
    ...(onDemand.hostInput ? [hostInput] : []),
    ...translation,
    departing(loopbackNat),
  ];
}

/** Requests that add the chain for what is meant for the host to a main table without it. */
export function hostInputLayout(): Request[] {
  return [addChain(mainTable, hostInput), ...rulesOf(mainTable, [hostInput])];
}

/** Requests that make the main table's constant part; it must be empty. */
export function mainLayout(options: LayoutOptions, onDemand: OnDemand): Request[] {
  return layout(mainTable, mainSets, mainChains(options, onDemand));
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
    ...rulesOf(table, chains),
  ];
}

function rulesOf(table: Table, chains: readonly ChainWithRules[]): Request[] {
  return chains.flatMap(({ name, rules }) =>
    rules.map(({ statements, comment }) => addRule(table, name, statements, comment)),
  );
}
