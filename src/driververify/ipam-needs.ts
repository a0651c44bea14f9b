// What is known of an IPAM driver before its rules are looked at, and which of that a rule may need.

import type { DriverTraits, IpamCapabilities, IpamDriver } from "../driverapi/index.ts";
import type { Need } from "./check.ts";

export interface IpamFacts {
  readonly driver: Partial<IpamDriver>;
  readonly traits: DriverTraits;
  readonly stage: { readonly whyNoRestart: string | undefined; readonly whyNoKinds: string | undefined };
  /** It leases addresses at all: the pool that it chooses is not 0.0.0.0/0. */
  readonly leases: boolean;
}

type IpamNeed = Need<IpamFacts>;

function unless(holds: (facts: IpamFacts) => boolean, reason: string): IpamNeed {
  return (facts) => (holds(facts) ? undefined : reason);
}

/** A method that a driver may do without. */
export function member(name: keyof IpamDriver): IpamNeed {
  return ({ driver }) =>
    driver[name] === undefined || driver[name] === null ? `the driver has no ${name}` : undefined;
}

export const leases = unless(
  (facts) => facts.leases,
  "this driver leases no addresses: its pool is every address",
);
export const kinds: IpamNeed = ({ stage }) => stage.whyNoKinds;
export const restart: IpamNeed = ({ stage }) => stage.whyNoRestart;
export const replay = unless(
  ({ driver }) => (driver.capabilities as IpamCapabilities | undefined)?.requiresRequestReplay !== false,
  "the driver is told of nothing again after a start",
);
export const choosesPools = unless(
  ({ traits }) => !traits.namedPools,
  "the driver chooses no pools: users name them",
);
export const namedPools = unless(
  ({ traits }) => traits.namedPools === true,
  "the driver chooses pools that nobody names",
);
export const namedRanges = unless(
  ({ traits }) => traits.namedRanges === true,
  "whole pools are the driver's to give",
);
export const ownPools = unless(
  ({ traits }) => !traits.sharedPools,
  "several networks of this driver may have one pool",
);
export const sharedPools = unless(
  ({ traits }) => traits.sharedPools === true,
  "each network of this driver has a pool of its own",
);
export const subnetAddresses = unless(
  ({ traits }) => !traits.singleAddresses,
  "addresses of this driver are single ones, in no subnet",
);
export const singleAddresses = unless(
  ({ traits }) => traits.singleAddresses === true,
  "addresses of this driver are those of a subnet",
);
