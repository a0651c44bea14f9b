// What is known of a network driver before its rules are looked at, and which of that a rule may need. What is not known,
// since the driver failed when it was tried, is taken for given: then the rule says what is wrong.

import type { Capabilities, DriverTraits, JoinResponse, NetworkDriver } from "../driverapi/index.ts";
import type { Need } from "./check.ts";
import type { Stage } from "./stage.ts";

/** What a first network, a first endpoint and a first published port showed. */
export interface Trial {
  readonly link: JoinResponse["link"];
  readonly choosesMac: boolean;
  /** How many ports it says that it has published, of one that was asked for. */
  readonly publishedPorts: number;
  /** Changes that it asks of its host. */
  readonly steps: { readonly network: number; readonly endpoint: number };
  /** All of it went when it was deleted, but for rules, which may be the host's for good. */
  readonly leavesNothing: boolean;
}

export interface NetworkFacts {
  readonly driver: Partial<NetworkDriver>;
  readonly traits: DriverTraits;
  readonly stage: Pick<Stage, "whyNoRestart" | "whyNoKinds" | "weather" | "cluster">;
  /** Undefined: it could not even be tried. */
  readonly trial: Trial | undefined;
}

type NetworkNeed = Need<NetworkFacts>;

function unless(holds: (facts: NetworkFacts) => boolean, reason: string): NetworkNeed {
  return (facts) => (holds(facts) ? undefined : reason);
}

const capability = (name: keyof Capabilities) => (facts: NetworkFacts) =>
  facts.driver.capabilities?.[name] === true;

/** A method or member that a driver may do without. */
export function member(name: keyof NetworkDriver): NetworkNeed {
  return ({ driver }) =>
    driver[name] === undefined || driver[name] === null ? `the driver has no ${name}` : undefined;
}

export const links = unless(
  ({ trial }) => !trial || trial.link !== undefined,
  "endpoints of this driver have no links",
);
export const linkInSandbox = unless(
  ({ trial }) => !trial || trial.link?.indexInSandbox !== undefined,
  "it makes no links in the sandbox: the controller moves them and gives them the MAC",
);
export const ownMacs = unless(({ trial }) => !trial || trial.choosesMac, "the driver chooses no MACs");
export const answeredPorts = unless(
  ({ trial }) => !trial || trial.publishedPorts > 0,
  "the driver does not say which ports it has published",
);
export const manyNetworks = unless(
  (facts) => !capability("predefinedOnly")(facts),
  "there is one network of this driver and no other",
);
export const onlyNetwork = unless(capability("predefinedOnly"), "there may be many networks of this driver");
export const replay = unless(capability("replay"), "what is on record is not repeated to this driver");
export const givenAddresses = unless(
  (facts) => !capability("findsAddresses")(facts),
  "its endpoints find their addresses by themselves",
);
export const foundAddresses = unless(capability("findsAddresses"), "its endpoints are given their addresses");
export const ipv4 = family(4);
export const ipv6 = family(6);
export const wrongOption = unless(
  ({ traits }) => traits.wrongOption !== undefined,
  "no option that must be refused was named",
);
export const mayBeInternal = unless(
  ({ traits }) => !traits.neverInternal,
  "networks of this driver are never internal",
);
export const neverInternal = unless(
  ({ traits }) => traits.neverInternal === true,
  "networks of this driver may be internal",
);
export const kinds: NetworkNeed = ({ stage }) => stage.whyNoKinds;
export const restart: NetworkNeed = ({ stage }) => stage.whyNoRestart;
export const cluster = unless(({ stage }) => stage.cluster !== undefined, "the host is in no cluster");
export const weather = unless(
  ({ stage }) => stage.weather !== undefined,
  "what a plugin asks of its host cannot be touched from outside",
);
export const networkSteps = unless(
  ({ trial }) => !trial || trial.steps.network > 0,
  "making a network changes nothing on the host",
);
export const endpointSteps = unless(
  ({ trial }) => !trial || trial.steps.endpoint > 0,
  "making an endpoint changes nothing on the host",
);

function family(which: 4 | 6): NetworkNeed {
  return ({ traits: { families } }) =>
    families && !families.includes(which) ? `networks of this driver have no IPv${which}` : undefined;
}
