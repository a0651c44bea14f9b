// The order of test files: those that take long come first, or one of them would go on alone when all others are done.

import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The longest of all, as parts of paths. */
const long = [
  "e2e/failpoint-",
  "e2e/live-restore",
  "conformance/firewall/",
  "lab/cluster/member",
  "e2e/cluster-networks",
  "compat/differential/",
  "e2e/cluster.",
  "e2e/families",
  "e2e/cluster-store",
  "e2e/crash",
  "compat/cli/networks",
  "conformance/drivers/",
  "lab/cluster/faults",
  "e2e/overlay-faults",
  "lab/drivers/overlay-repair",
  "lab/firewall/flush",
  "e2e/endpoints",
  "e2e/networks",
];

/** Among themselves both kinds are in vitest's own order. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const at = long.findIndex((part) => moduleId.includes(`/test/${part}`));
  return at < 0 ? long.length : at;
}
