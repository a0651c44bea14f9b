// A sandbox's network namespace as the controller uses it: made, wired from outside, removed. Nothing ever enters it.

import type { Netlink } from "../kernel/index.ts";
import type { Address } from "../netip/index.ts";

/** A virtual address, and those that serve there; with nobody it refuses. All of one family. */
export interface Balanced {
  readonly vip: Address;
  readonly backends: readonly Address[];
}

/** An open namespace. Its pin on the file system keeps it alive until `remove`. */
export interface Netns {
  /** Path of the pin, which runtimes join. */
  readonly path: string;
  /** rtnetlink inside it. */
  readonly netlink: Netlink;
  /** Writes sysctls inside it, all in one go: `net.ipv4.ip_forward` to value. @throws when the kernel refuses one */
  writeSysctls(values: Readonly<Record<string, string>>): Promise<void>;
  /** Sends whole frames out of a link, by its index. @throws when the link is gone or down */
  sendFrames(link: number, frames: readonly Uint8Array[]): Promise<void>;
  /** Sends what goes to 127.0.0.11:53 to these ports; undefined: no longer. */
  setDnsRedirect(ports: { readonly udp: number; readonly tcp: number } | undefined): Promise<void>;
  /**
   * Leads what its processes send to these virtual addresses, and no others, to their backends; undefined: none at all.
   * Connections to a backend that is gone are cut. Repeating a call changes nothing.
   */
  setBalance(services: readonly Balanced[] | undefined): Promise<void>;
  /** Lets go of it; the namespace stays. */
  close(): Promise<void>;
  /** Lets go of it and takes the pin away: with the last process in it the namespace and all its links end. */
  remove(): Promise<void>;
}

/** Makes and opens namespaces. */
export interface NetnsMaker {
  create(path: string): Promise<Netns>;
  /** @throws when there is none */
  open(path: string): Promise<Netns>;
  /** Pins the namespace of a process, unless there is a pin already. Answers whether it did. @throws when it is gone */
  pinAgain(path: string, pid: number): Promise<boolean>;
  /** Takes a pin away that nobody holds open. Nothing happens when there is none. */
  removePin(path: string): Promise<void>;
  /** Pins in a folder, by file name. */
  list(folder: string): Promise<readonly string[]>;
}
