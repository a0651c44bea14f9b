// What a driver package exports, and the version of this contract.

import type { NetworkDriverFactory } from "./driver.ts";
import type { IpamDriverFactory } from "./ipam.ts";

/**
 * The version of the contract that this folder describes. It rises when a driver that was written for the one before
 * would not work any more; members that are new and may be absent do not raise it.
 */
export type ContractVersion = 1;

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
}
