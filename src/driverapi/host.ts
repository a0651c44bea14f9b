// Host: the only hands a driver has on the machine. The same for the project's drivers and for anyone's.

import type { Firewall } from "../firewall/rules.ts";
import type { Netlink } from "../kernel/index.ts";
import type { Parents } from "../parents/index.ts";
import type { Ports } from "../ports/index.ts";
import type { Forwarder } from "../proxy/index.ts";
import type { Collection } from "../store/index.ts";
import type { Log } from "../util/log.ts";

export type { AllowRule, BridgeRule, Firewall, GatewayMode, PublishRule, Rule } from "../firewall/rules.ts";
export type { Netlink, Request } from "../kernel/index.ts";
export type { Parent, ParentRequest, Parents } from "../parents/index.ts";
export type { PortLease, PortRequest, Ports } from "../ports/index.ts";
export type { Forward, Forwarder, ParkedSockets } from "../proxy/index.ts";

export interface Sysctl {
  /** The value of `net.ipv4.ip_forward` and alike, trimmed; undefined when the kernel has no such key. */
  read(key: string): Promise<string | undefined>;
  write(key: string, value: string): Promise<void>;
  /** Several in order, for the price of one; stops at the first that fails. */
  writeAll(values: Readonly<Record<string, string>>): Promise<void>;
}

export interface Host {
  /** rtnetlink in the host's netns. */
  readonly netlink: Netlink;
  /** Message builders, so that a driver needs no import from the kernel room. */
  readonly link: typeof import("../kernel/index.ts");
  readonly sysctl: Sysctl;
  readonly firewall: Firewall;
  readonly ports: Ports;
  readonly forwarder: Forwarder;
  readonly parents: Parents;
  /** The driver's own records: small, keyed by network or endpoint id. Only what cannot be derived belongs here. */
  readonly records: Collection<unknown>;
  /** Defaults that the operator set for the whole daemon. */
  readonly settings: HostSettings;
  readonly log: Log;
}

export interface HostSettings {
  /** Forward connections in user space also where kernel translation would do. */
  readonly userlandProxy: boolean;
  /** Whether the host's kernel has IPv6 at all. */
  readonly ipv6: boolean;
  /** MTU of the uplink that holds the default route; undefined when there is none. */
  readonly uplinkMtu: number | undefined;
  /** Turn forwarding on (`ip-forward`). */
  readonly ipForward: boolean;
  /** Where forwarding was turned on, leave what nobody lets through to the host (`ip-forward-no-drop`). */
  readonly ipForwardNoDrop?: boolean;
}
