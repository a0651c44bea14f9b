// A mutant for each check: the driver that keeps every rule but this one.

import type { Mutation } from "../breaking.ts";
import type { IpamMutation } from "../ipam-breaking.ts";
import { endpointMutants } from "./endpoints.ts";
import { foundMutants } from "./found.ts";
import { hardshipMutants } from "./hardship.ts";
import { addressMutants } from "./ipam-addresses.ts";
import { poolMutants } from "./ipam-pools.ts";
import { networkMutants } from "./networks.ts";
import { requestMutants } from "./requests.ts";

export const mutants: Readonly<Record<string, Mutation>> = {
  ...networkMutants,
  ...endpointMutants,
  ...foundMutants,
  ...requestMutants,
  ...hardshipMutants,
};

export const ipamMutants: Readonly<Record<string, IpamMutation>> = { ...poolMutants, ...addressMutants };
