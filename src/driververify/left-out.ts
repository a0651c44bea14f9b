// Which rules were not asked of a driver, in one line.

import { groupOf } from "./check.ts";

interface LeftOut {
  readonly id: string;
  readonly reason?: string;
}

/** `3 rules are not about it: the driver has no peers (networks/peers); …` */
export function leftOutText(checks: readonly LeftOut[]): string {
  const byReason = Map.groupBy(checks, ({ reason = "" }) => reason);
  const parts = [...byReason].map(([reason, members]) => `${reason} (${idsText(members)})`);
  const [are, rules] = checks.length === 1 ? ["is", "rule"] : ["are", "rules"];
  return `${checks.length} ${rules} ${are} not about it: ${parts.join("; ")}`;
}

/** `networks/peers, publish: 15` */
function idsText(checks: readonly LeftOut[]): string {
  return [...Map.groupBy(checks, groupOf)]
    .map(([group, members]) =>
      members.length > 3 ? `${group}: ${members.length}` : members.map(({ id }) => id).join(", "),
    )
    .join(", ");
}
