// What a driver of networks that span hosts tells of the other hosts.

import type { Address } from "../netip/index.ts";

/** A host that carries a network. */
export interface NetworkPeer {
  readonly nodeId: string;
  /** For people: the hostname. */
  readonly name: string;
  readonly address: Address;
}

/** Whether packets truly pass to another host, as this one last tried. */
export interface PeerPath {
  readonly nodeId: string;
  /** `narrow`: small packets pass, and those that networks send do not. `away`: the host is down, and so no wonder. */
  readonly state: "ok" | "narrow" | "down" | "away";
  /** Of a small packet; absent: none came back. */
  readonly roundTripMs?: number;
  /** Bytes of the largest IP packet inside a tunnel that came back; absent: none did. */
  readonly mtu?: number;
  /** What is wrong and what to do, in words; absent: nothing. */
  readonly trouble?: string;
  readonly checkedAt: Date;
}

/** Something that a host should have, and has not. */
export interface HostLack {
  readonly nodeId: string;
  /** What does not hold there, and why, in words. */
  readonly lack: string;
}

/** What a driver does for a cluster besides its networks. */
export interface ClusterStay {
  /** To the other hosts of the cluster, as far as they were tried. Costs little, and throws nothing. */
  paths(): readonly PeerPath[];
  /**
   * Tries all of them now; resolves after a moment even if some do not answer, which is a path that is down and no error.
   * May be repeated.
   */
  tryPaths(): Promise<void>;
  /**
   * What hosts of the cluster cannot do, or guard against, that its networks rely on, as far as they said so. Costs little,
   * and throws nothing. Absent: nothing.
   */
  lacks?(): readonly HostLack[];
  /**
   * `paths`, `lacks`: one is another than before. `mtu`: networks may need another MTU (`followUplink`). May be followed
   * more than once; answers with the way to stop.
   */
  follow(listener: (change: "paths" | "lacks" | "mtu") => void): () => void;
  /**
   * `leaves`: the host goes for good and nothing stays. `clears`: the daemon ends and no container goes on, so that nothing
   * stays in the kernel. Else all that others need of it does. Called once; what it throws is logged.
   */
  end(options: { readonly leaves: boolean; readonly clears?: boolean }): Promise<void>;
}
