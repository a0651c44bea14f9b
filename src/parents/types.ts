// What a driver sees of the links that networks stand on.

import type { Mac } from "../netip/index.ts";

/** A link that networks stand on: one of the host's, or one that was made for them. */
export interface Parent {
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  readonly mac?: Mac;
}

export interface ParentRequest {
  /** Network id: who holds it. */
  readonly owner: string;
  /** For messages: `macvlan`. */
  readonly driver: string;
  /** `eth0`, or `eth0.10`: a VLAN sub-interface, made if it is not there. */
  readonly name: string;
  /** The user named none: a dummy link of this name is made, and is the owner's own. */
  readonly isDummy?: boolean;
}

/** Parent links, shared by all drivers: what was made goes with its last holder, what was there stays. */
export interface Parents {
  /** May be repeated: finds the link again, or makes it again. @throws invalid, not-found */
  hold(request: ParentRequest): Promise<Parent>;
  release(owner: string): Promise<void>;
  /** After a start: removes what was made for somebody who is no more. */
  sweep(): Promise<void>;
}
