// All checks, in the order in which they are told.

import type { Check } from "../check.ts";
import type { IpamFacts } from "../ipam-needs.ts";
import type { IpamScene } from "../ipam-scene.ts";
import type { NetworkFacts } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { concurrencyChecks } from "./concurrency.ts";
import { endpointChecks } from "./endpoints.ts";
import { faultChecks } from "./faults.ts";
import { foundChecks } from "./found.ts";
import { identityChecks } from "./identity.ts";
import { inputChecks } from "./input.ts";
import { addressChecks } from "./ipam-addresses.ts";
import { ipamIdentityChecks } from "./ipam-identity.ts";
import { namedAddressChecks } from "./ipam-named.ts";
import { poolChecks } from "./ipam-pools.ts";
import { poolRefusalChecks } from "./ipam-refusals.ts";
import { releaseChecks } from "./ipam-release.ts";
import { usageChecks } from "./ipam-usage.ts";
import { joinChecks } from "./join.ts";
import { latencyChecks } from "./latency.ts";
import { leakChecks } from "./leaks.ts";
import { networkViewChecks } from "./network-views.ts";
import { networkLifeChecks } from "./networks.ts";
import { publishChecks } from "./publish.ts";
import { reachChecks } from "./reach.ts";
import { requestChecks } from "./requests.ts";
import { restartChecks } from "./restart.ts";
import { sweepChecks } from "./sweep.ts";

export const networkChecks: readonly Check<Scene, NetworkFacts>[] = [
  ...identityChecks,
  ...networkLifeChecks,
  ...networkViewChecks,
  ...endpointChecks,
  ...joinChecks,
  ...foundChecks,
  ...reachChecks,
  ...publishChecks,
  ...requestChecks,
  ...inputChecks,
  ...concurrencyChecks,
  ...faultChecks,
  ...latencyChecks,
  ...restartChecks,
  ...sweepChecks,
  ...leakChecks,
];

export const ipamChecks: readonly Check<IpamScene, IpamFacts>[] = [
  ...ipamIdentityChecks,
  ...poolChecks,
  ...poolRefusalChecks,
  ...addressChecks,
  ...namedAddressChecks,
  ...releaseChecks,
  ...usageChecks,
];
