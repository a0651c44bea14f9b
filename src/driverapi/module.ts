// What a driver package exports, and the version of this contract.

import type { Family } from "../netip/index.ts";
import type { NetworkDriverFactory } from "./driver.ts";
import type { IpamDriverFactory } from "./ipam.ts";

/**
 * The version of the contract that this folder describes. It rises when a driver that was written for the one before
 * would not work any more; members that are new and may be absent do not raise it.
 */
export type ContractVersion = 1;

/**
 * What a driver is by nature, where that cannot be seen from outside: `tsdocker driver verify` then asks of it what fits,
 * instead of what it can never be. Nobody else reads it, so that it excuses nothing to users: what is declared here belongs
 * into the driver's documentation too. All of it may be absent.
 */
export interface DriverTraits {
  /**
   * Options (`-o`) without which there is no network of this driver. A trial's only link to stand on is `eth0`. `{number}` in a
   * value stands for a number from 1 to 99 that each network has alone: `parent=eth0.{number}`.
   */
  readonly networkOptions?: Readonly<Record<string, string>>;
  /** Options with a value that it must refuse as invalid. */
  readonly wrongOption?: Readonly<Record<string, string>>;
  /** Families that its networks can have; absent: both. */
  readonly families?: readonly Family[];
  /** Its networks are never internal: one that shall be is refused. */
  readonly neverInternal?: boolean;
  /**
   * Addresses are single ones and in no subnet: they have their full length (/32, /128), and all of a pool can be had, since
   * none is the network's or means everybody. Of a network driver: endpoints have such addresses.
   */
  readonly singleAddresses?: boolean;
  /** Of an IPAM driver: a pool that nobody names (`--subnet`) is refused as invalid, and not chosen. */
  readonly namedPools?: boolean;
  /**
   * Of an IPAM driver: its pools are subnets of somebody else, of whose addresses a part is ours to give. A pool without that
   * part (`--ip-range`) is refused as invalid.
   */
  readonly namedRanges?: boolean;
  /** Of an IPAM driver: several networks may have one pool at the same time; no two of their endpoints get one address. */
  readonly sharedPools?: boolean;
}

/**
 * The module of a driver package: at least one of the two factories, and the version of the contract that it is written
 * for. Importing it must do nothing but define: what it opens, it opens when a factory is called.
 */
export interface DriverModule {
  readonly contract: ContractVersion;
  /** For `network create -d NAME`: called once, at the daemon's start. What it throws keeps the driver out. */
  readonly default?: NetworkDriverFactory;
  /** For `network create --ipam-driver NAME`: called once, at the daemon's start. What it throws keeps the driver out. */
  readonly createIpam?: IpamDriverFactory;
  /** Read by `tsdocker driver verify` alone. */
  readonly traits?: DriverTraits;
}
